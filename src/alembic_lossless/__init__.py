"""Safeguards around Alembic: every ALTER works on SQLite, migrations are reviewed and rehearsed."""
