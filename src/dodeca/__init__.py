"""Dodeca: twelve internet products on one Python platform."""
