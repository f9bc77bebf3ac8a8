"""The pages of accounts. They lie at the root: /login, /register, /account …"""

from dodeca.commons.accounts.pages import overview, passkeys, providers, recovery, security, signing

routes = [
    *signing.routes,
    *recovery.routes,
    *providers.routes,
    *overview.routes,
    *security.routes,
    *passkeys.routes,
]
