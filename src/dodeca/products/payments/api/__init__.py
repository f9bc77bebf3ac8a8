"""`/api/payments`: the product's own API."""

from dodeca.products.payments.api import insight, money, paying, people

routes = [*people.routes, *paying.routes, *money.routes, *insight.routes]
