"""Domain modules that several products share."""
