"""The APIs that readers and programs of Hacker News speak: Firebase REST, the search API, feeds.

Each module owns its shapes and errors, and reads through the service as a visitor does."""

from dodeca.products.news.compat import algolia, feeds, firebase

routers = [firebase.router, algolia.router, feeds.router]
"""Below /news."""
