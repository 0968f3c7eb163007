"""From models to operations: a new migration."""
