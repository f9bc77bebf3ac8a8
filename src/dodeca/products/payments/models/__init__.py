"""Tables of payments, a file a topic. Importing the package declares all of them."""

from dodeca.products.payments.models.bank_accounts import BankAccount
from dodeca.products.payments.models.billing import (
    Addon,
    Invoice,
    Item,
    PaymentLink,
    Plan,
    QrCode,
    Subscription,
    TestClock,
    VirtualAccount,
)
from dodeca.products.payments.models.disputes import Dispute, Document
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
from dodeca.products.payments.models.statements import BankReference, StatementImport, StatementLine

__all__ = [
    "AcquirerSetting",
    "AcquirerStat",
    "Addon",
    "Attempt",
    "BankAccount",
    "BankReference",
    "Card",
    "Customer",
    "Delivery",
    "Dispute",
    "Document",
    "Invoice",
    "Item",
    "Journal",
    "LedgerAccount",
    "LedgerTail",
    "Merchant",
    "Order",
    "Payment",
    "PaymentEvent",
    "PaymentLink",
    "PaymentMethod",
    "Payout",
    "Plan",
    "QrCode",
    "Refund",
    "RoutingDecision",
    "Settlement",
    "StatementImport",
    "StatementLine",
    "Subscription",
    "TestClock",
    "Token",
    "Transfer",
    "VirtualAccount",
    "Webhook",
]
