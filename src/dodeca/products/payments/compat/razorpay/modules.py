"""Imports every module that declares calls."""

from dodeca.products.payments.compat.razorpay import bills, customers, links, money, pay

__all__ = ["bills", "customers", "links", "money", "pay"]
