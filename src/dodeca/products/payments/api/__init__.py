"""`/api/payments`: the product's own API."""

from dodeca.products.payments.api import asking, insight, money, paying, people, reconciling

routes = [*people.routes, *paying.routes, *asking.routes, *money.routes, *insight.routes, *reconciling.routes]
