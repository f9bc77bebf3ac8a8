"""The rules of music, a file a capability."""
