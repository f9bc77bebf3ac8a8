"""URL shortener: short links, redirects, and what came of them."""
