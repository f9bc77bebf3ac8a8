"""News for people. Everything works without JavaScript; scripts save steps and keep pages live."""

from __future__ import annotations

from dodeca.products.news.pages import acts, inviting, lists, look, moderating, people, searching, submitting, thread

routes = [
    *lists.routes,
    *thread.routes,
    *acts.routes,
    *submitting.routes,
    *people.routes,
    *inviting.routes,
    *moderating.routes,
    *searching.routes,
    *look.routes,
]

__all__ = ["routes"]
