"""Pages: the purse, the checkout, the merchant's dashboard. All work without JavaScript."""

from dodeca.products.payments.pages import (
    books,
    checkout,
    dashboard,
    developers,
    papers,
    purse,
    qr_codes,
    rules,
    selling,
    settings,
)

routes = [
    *purse.routes,
    *checkout.routes,
    *papers.routes,
    *qr_codes.routes,
    *dashboard.routes,
    *selling.routes,
    *books.routes,
    *rules.routes,
    *developers.routes,
    *settings.routes,
]
