"""The accounts' own API, below /api/accounts."""

from dodeca.commons.accounts.api import access, credentials, me, second_factors

routes = [*access.routes, *me.routes, *credentials.routes, *second_factors.routes]
