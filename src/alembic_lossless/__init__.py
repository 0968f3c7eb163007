"""Safeguards around Alembic: every ALTER works on SQLite, migrations are reviewed and rehearsed.

A Flask-Migrate project changes one import (:mod:`alembic_lossless.flask`); an Alembic project adds
two lines to its env.py, below ``config = context.config``::

    from alembic_lossless import safeguard

    safeguard(context)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import MigrationError
    from .host import safeguard
    from .settings import Settings

__all__ = ["MigrationError", "Settings", "safeguard"]

#: Loaded when they are asked for: ``import alembic_lossless.sqlite`` needs none of them.
_MODULES = {"MigrationError": "errors", "Settings": "settings", "safeguard": "host"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f".{_MODULES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
