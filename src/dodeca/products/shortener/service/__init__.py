"""The shortener's rules, a file a capability. Functions take a Session, the `Shortener`
of the platform and the actor."""

from dodeca.products.shortener.service import (
    aliases,
    analytics,
    blocklist,
    creating,
    domains,
    groups,
    labels,
    links,
    moderation,
    ruling,
    status,
    wishes,
)
from dodeca.products.shortener.service.installation import Installed, Shortener, installed, of

__all__ = [
    "Installed",
    "Shortener",
    "aliases",
    "analytics",
    "blocklist",
    "creating",
    "domains",
    "groups",
    "installed",
    "labels",
    "links",
    "moderation",
    "of",
    "ruling",
    "status",
    "wishes",
]
