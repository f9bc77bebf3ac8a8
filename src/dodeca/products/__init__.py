"""The products; each is one small house."""
