"""The commands, for ``flask db`` and ``alembic-lossless``. They print; the logic is elsewhere."""
