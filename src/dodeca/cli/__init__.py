"""The dodeca command."""
