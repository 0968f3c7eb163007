"""Databases that were made without these migrations."""
