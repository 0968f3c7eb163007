"""Rules for PostgreSQL."""
