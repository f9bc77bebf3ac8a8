"""Infrastructure that knows no product."""
