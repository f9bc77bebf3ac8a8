"""Sound as bytes: probing, hashing, measuring, transcoding, packaging and making it. Knows no table and no HTTP."""
