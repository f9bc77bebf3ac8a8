"""Payments: a gateway whose every movement of money is a row of one double-entry ledger."""
