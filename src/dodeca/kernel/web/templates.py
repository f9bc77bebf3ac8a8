"""Rendering of HTML pages and fragments with Jinja2."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from jinja2 import (
    BytecodeCache,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    TemplateNotFound,
)
from jinja2.bccache import Bucket

from dodeca.kernel.clock import now
from dodeca.kernel.web.assets import Assets
from dodeca.kernel.web.charts import plot
from dodeca.kernel.web.filters import FILTERS

SHELL_TEMPLATES = Path(__file__).parent / "templates"


class _Compiled(BytecodeCache):
    """What templates were compiled to in this process: compiling the shell anew for each platform takes long."""

    _kept: ClassVar[dict[tuple[str, str], bytes]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Jinja's hook."""
        known = self._kept.get((bucket.key, bucket.checksum))
        if known is not None:
            bucket.bytecode_from_string(known)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Jinja's hook."""
        self._kept[bucket.key, bucket.checksum] = bucket.bytecode_to_string()


class Renderer:
    """Turns a template and a context into HTML.

    The shell's templates have plain names (`layout.html`, `ui.html`), or `shell/…` where a prefix is wanted; those of
    a product or commons module carry its prefix: with `roots={"shortener": folder}`, `shortener/home.html` is
    `folder/home.html`. Everything is escaped;
    a name that the context lacks is an error, not an empty string.

    Besides Jinja's own, templates have these globals: `asset(name)`, the hashed URL of a static file
    (`asset("shortener/shortener.css")`), `plot(points)`, the geometry of a chart (see `charts`), and `now()`,
    the platform's present moment. The filters are
    those of `filters`: `time`, `number`, `money`, `filesize`, `plural`. Macros are in `ui.html`.

    With `reload`, changed templates are picked up without a restart.
    """

    def __init__(self, roots: Mapping[str, Path], *, assets: Assets, reload: bool = False) -> None:
        loaders = {prefix: FileSystemLoader(folder) for prefix, folder in roots.items()}
        shell = FileSystemLoader(SHELL_TEMPLATES)
        self._environment = Environment(
            loader=ChoiceLoader([PrefixLoader(loaders), PrefixLoader({"shell": shell}), shell]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=reload,
            bytecode_cache=_Compiled(),
            cache_size=-1,  # every template is ours: keep all of them compiled
            extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"],
        )
        self._environment.filters.update(FILTERS)
        self._environment.globals.update(asset=assets.url, plot=plot, now=now)

    def render(self, name: str, context: Mapping[str, object]) -> str:
        """Render the template `name`. Raises jinja2.TemplateNotFound, or UndefinedError for a missing name."""
        return self._environment.get_template(name).render(context)

    def exists(self, name: str) -> bool:
        """Whether there is a template of this name."""
        try:
            self._environment.get_template(name)
        except TemplateNotFound:
            return False
        return True

    def compile_all(self) -> int:
        """Compile every template now, so that an error in one shows at start. Returns how many there are."""
        names = self._environment.list_templates(extensions=["html", "txt", "xml"])
        for name in names:
            self._environment.get_template(name)
        return len(names)
