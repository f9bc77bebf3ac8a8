"""The rules of news, one file a topic."""
