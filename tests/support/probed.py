"""`dodeca` with the probe product installed: `python -m tests.support.probed serve …`."""

from __future__ import annotations

from dodeca import catalogue
from dodeca.cli import main
from tests.kernel.probe import manifest

if __name__ == "__main__":
    installed = catalogue.products()
    catalogue.products = lambda: [*installed, manifest]
    main()
