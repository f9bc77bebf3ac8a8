"""Imports every module that declares calls. Fixed paths come before those with ids."""

from dodeca.products.payments.compat.razorpay import customers, money, pay

__all__ = ["customers", "money", "pay"]
