"""`python -m dodeca` is the same as `dodeca`."""

from dodeca.cli import main

main()
