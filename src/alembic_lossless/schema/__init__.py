"""The schema of a database, and the difference of two."""
