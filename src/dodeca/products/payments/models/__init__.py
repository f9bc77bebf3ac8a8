"""Tables of payments, a file a topic. Importing the package declares all of them."""

from dodeca.products.payments.models.gateway import (
    Attempt,
    Card,
    Customer,
    Order,
    Payment,
    PaymentMethod,
    Payout,
    Refund,
    RoutingDecision,
    Settlement,
    Token,
)
from dodeca.products.payments.models.ledger import Journal, LedgerAccount, LedgerTail, Transfer
from dodeca.products.payments.models.merchants import (
    AcquirerSetting,
    AcquirerStat,
    Delivery,
    Merchant,
    PaymentEvent,
    Webhook,
)

__all__ = [
    "AcquirerSetting",
    "AcquirerStat",
    "Attempt",
    "Card",
    "Customer",
    "Delivery",
    "Journal",
    "LedgerAccount",
    "LedgerTail",
    "Merchant",
    "Order",
    "Payment",
    "PaymentEvent",
    "PaymentMethod",
    "Payout",
    "Refund",
    "RoutingDecision",
    "Settlement",
    "Token",
    "Transfer",
    "Webhook",
]
