"""What one kind of database needs beyond Alembic's operations."""
