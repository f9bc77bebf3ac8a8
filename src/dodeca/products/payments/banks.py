"""The banks and wallets that payers can choose, as Razorpay's clients name them."""

from __future__ import annotations

BANKS = {
    "HDFC": "HDFC Bank",
    "ICIC": "ICICI Bank",
    "SBIN": "State Bank of India",
    "UTIB": "Axis Bank",
    "YESB": "Yes Bank",
}
"""By the four letters that their IFSCs begin with."""
WALLETS = ("paytm", "mobikwik", "freecharge", "airtelmoney", "jiomoney", "amazonpay", "payzapp", "phonepe")


def bank_name(ifsc: str) -> str:
    """The name of the bank of an IFSC; empty where it is not one of those."""
    return BANKS.get(ifsc[:4], "")
