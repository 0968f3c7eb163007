"""Backups before an upgrade, and restoring one."""
