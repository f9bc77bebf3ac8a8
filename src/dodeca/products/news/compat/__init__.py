"""The APIs that readers and programs of Hacker News speak: Firebase REST, the search API, feeds.

Each module owns its shapes and errors, and reads through the service as a visitor does."""

from dodeca.products.news.compat.algolia import router as search_api
from dodeca.products.news.compat.feeds import router as feeds
from dodeca.products.news.compat.firebase import router as firebase

routers = [firebase, search_api, feeds]
"""Below /news."""
