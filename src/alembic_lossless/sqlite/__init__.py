"""ALTER TABLE for SQLite, for Alembic: every operation works, and nothing is lost.

Importing this package is all it takes, in ``env.py`` or anywhere before migrations run::

    import alembic_lossless.sqlite

It needs Alembic and SQLAlchemy, and nothing else of this library but its errors, names and
:mod:`alembic_lossless.compat`.
"""

from .alter import AppliedChange
from .impl import LosslessSQLiteImpl, applied_changes, in_force, require

__all__ = ["AppliedChange", "LosslessSQLiteImpl", "applied_changes", "in_force", "require"]
