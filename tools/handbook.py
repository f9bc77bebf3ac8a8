"""MkDocs hooks: the pages that are made from code, so that they cannot lag behind it.

`settings.md`, `commands.md` and `reference.md` have a marker line each, replaced with tables of the settings, the
commands, and the routes, jobs, events and tables of every module.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click


def on_page_markdown(markdown: str, page: Any, **_rest: Any) -> str:
    """Fill the markers of a page."""
    makers = {"<!-- settings -->": settings, "<!-- commands -->": commands, "<!-- reference -->": reference}
    for marker, make in makers.items():
        if marker in markdown:
            markdown = markdown.replace(marker, "\n".join(make()))
    return markdown


def settings() -> Iterator[str]:
    """One table a group."""
    from dodeca import catalogue
    from dodeca.kernel.settings import Settings, SettingsGroup, table

    groups: list[tuple[str, type[SettingsGroup]]] = [("Platform", Settings)]
    groups += [(m.title, m.settings) for m in [*catalogue.commons(), *catalogue.products()] if m.settings]
    for title, group in groups:
        yield f"\n## {title}\n\n| dodeca.toml | variable | default | meaning |\n|---|---|---|---|"
        for row in table(group):
            default = f"`{row.default}`" if row.default not in ("", None) else ""
            yield f"| `{row.name}` | `{row.variable}` | {default} | {row.help} |"


def commands() -> Iterator[str]:
    """The help text of every command."""
    from dodeca.cli.main import dodeca

    context = click.Context(dodeca, info_name="dodeca")
    for name in dodeca.list_commands(context):
        command = dodeca.get_command(context, name)
        if command is None:
            continue
        yield from _command(command, f"dodeca {name}")
        if isinstance(command, click.Group):
            for inner in command.list_commands(context):
                found = command.get_command(context, inner)
                if found is not None:
                    yield from _command(found, f"dodeca {name} {inner}")


def _command(command: click.Command, title: str) -> Iterator[str]:
    help_text = command.get_help(click.Context(command, info_name=title))
    yield f"\n## `{title}`\n\n```text\n{help_text}\n```\n"


def reference() -> Iterator[str]:
    """Routes, jobs, events and tables of every module."""
    from dodeca import catalogue
    from dodeca.kernel.db import metadata

    for manifest in [*catalogue.commons(), *catalogue.products()]:
        yield f"\n## {manifest.title}\n"
        routes = list(_routes(manifest))
        if routes:
            yield "| route | access | |\n|---|---|---|"
            yield from routes
        if manifest.jobs:
            yield "\n| job | |\n|---|---|"
            yield from (f"| `{job.name}` | {_first(job.handler.__doc__)} |" for job in manifest.jobs)
        if manifest.subscriptions:
            yield "\n| event | told to |\n|---|---|"
            for event, jobs in manifest.subscriptions.items():
                yield f"| `{event.__name__}` | {', '.join(f'`{job.name}`' for job in jobs)} |"
    yield "\n## Tables\n\n" + ", ".join(f"`{name}`" for name in sorted(metadata.tables)) + "\n"


def _routes(manifest: Any) -> Iterator[str]:
    places = (
        (f"/api/{manifest.name}", manifest.api),
        (f"/{manifest.name}", manifest.pages),
        (f"/{manifest.name}", manifest.compat),
        ("", manifest.root),
    )
    for prefix, handlers in places:
        for handler in handlers:
            yield from _handler(prefix, handler)


def _handler(prefix: str, handler: Any) -> Iterator[str]:
    if hasattr(handler, "routes"):  # a router
        for route in handler.routes:
            inner = getattr(route, "route_handlers", None) or [route.route_handler]
            for one in inner:
                yield _row(prefix + route.path, one)
        return
    for path in sorted(handler.paths):
        yield _row(prefix + ("" if path == "/" else path), handler)


def _row(path: str, handler: Any) -> str:
    methods = sorted(set(getattr(handler, "http_methods", {"WEBSOCKET"})) - {"HEAD", "OPTIONS"})
    access = handler.opt.get("access", "public")
    text = _first(getattr(handler.fn, "__doc__", ""))
    return f"| `{' '.join(map(str, methods))} {path or '/'}` | {access} | {text} |"


def _first(text: str | None) -> str:
    return (text or "").strip().split("\n")[0].replace("|", "\\|").replace("<", "&lt;")
