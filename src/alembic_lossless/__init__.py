"""Safeguards around Alembic: every ALTER works on SQLite, migrations are reviewed and rehearsed.

A Flask-Migrate project changes one import (:mod:`alembic_lossless.flask`); an Alembic project adds
two lines to its env.py, below ``config = context.config``::

    from alembic_lossless import safeguard

    safeguard(context)
"""

from typing import Any

from . import compat
from .errors import MigrationError
from .host import make_host
from .run import env
from .settings import Settings

__all__ = ["MigrationError", "Settings", "safeguard"]


def safeguard(context: Any, connectable: Any = None, settings: Settings | None = None) -> Any:
    """Put the safeguards around this run of env.py.

    :param context: Alembic's ``context`` module, as env.py imports it.
    :param connectable: env.py's engine, where a missing database is to be created.
    :param settings: of the project; else those of its pyproject.toml and the environment.
    :return: what takes the place of *connectable*; None where it was not given.
    :raises MigrationError: where this version of Alembic lacks what is needed.
    """
    environment = compat.live_environment()
    if environment is None:
        raise MigrationError("safeguard(context) works inside of env.py alone, while it runs.")
    env.attach(
        environment,
        make_host(lambda folder: settings or Settings.read(folder=folder)),
    )
    return None if connectable is None else env.lazy(connectable)
