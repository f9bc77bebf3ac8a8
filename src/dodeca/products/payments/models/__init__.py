"""Tables of payments, a file a topic. Importing the package declares all of them."""

from dodeca.products.payments.models.ledger import Journal, LedgerAccount, LedgerTail, Transfer

__all__ = ["Journal", "LedgerAccount", "LedgerTail", "Transfer"]
