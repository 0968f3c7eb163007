"""Moving the rows of a SQLite database to a server."""
