"""Pages: the purse, the checkout, the merchant's dashboard. All work without JavaScript."""

from dodeca.products.payments.pages import checkout, dashboard, developers, purse, qr_codes

routes = [
    *purse.routes,
    *checkout.routes,
    *qr_codes.routes,
    *dashboard.routes,
    *developers.routes,
]
