"""What tests share: servers that they start and stop, and factories."""
