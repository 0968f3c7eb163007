"""The tables. Every module in this folder is loaded, so a new table only needs a file here."""

from importlib import import_module
from pkgutil import iter_modules


def load() -> None:
    """Import every module beside this one, so that the metadata knows all tables."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
