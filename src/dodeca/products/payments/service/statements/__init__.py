"""Bank statements: read from camt, MT940 and CSV, kept once, and matched with what the books say should have moved."""

from dodeca.products.payments.service.statements.reading import read

__all__ = ["read"]
