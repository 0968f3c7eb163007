"""ALTER TABLE for SQLite; needs nothing of the other rooms."""
