"""Reports and the public log of moderation, for every product that lets people publish."""
