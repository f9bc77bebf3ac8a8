"""Imports every module that declares calls."""

from dodeca.products.payments.compat.razorpay import bills, customers, disputes, links, money, pay

__all__ = ["bills", "customers", "disputes", "links", "money", "pay"]
