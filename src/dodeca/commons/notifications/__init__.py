"""One inbox for all products: in the app, by mail, by Web Push. Products call `notify`."""

from pathlib import Path

from dodeca.commons.notifications import api, delivery, pages, service
from dodeca.commons.notifications.service import Notice, Notified, notify, unread
from dodeca.kernel.manifest import Manifest

__all__ = ["Notice", "Notified", "manifest", "notify", "unread"]

manifest = Manifest(
    name="notifications",
    title="Inbox",
    folder=Path(__file__).parent,
    api=api.routes,
    root=pages.routes,
    jobs=[service.forget_old, delivery.deliver, delivery.push],
    subscriptions={Notified: [delivery.deliver]},
)
