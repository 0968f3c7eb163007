"""Running migrations: what happens under env.py."""
