"""Pieces of benchmarks: corpora and loads of their own."""
