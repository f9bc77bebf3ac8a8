"""Razorpay's API below `/payments/v1` and `/payments/v2`, for its own SDKs. See docs/products/payments.md."""

from dodeca.products.payments.compat.razorpay.handler import routes

__all__ = ["routes"]
