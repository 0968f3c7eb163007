"""Trying a migration on rows before it meets yours."""
