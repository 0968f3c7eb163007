"""Settings for a server: copy this file, fill it in, and name it in SETTINGS.

    SETTINGS=/etc/{{ cookiecutter.project_slug }}.py make migrate
    SETTINGS=/etc/{{ cookiecutter.project_slug }}.py .venv/bin/gunicorn wsgi:app

As ``instance/settings.py`` the same keys are a developer's own.
"""

SECRET_KEY = ""  # python -c 'import secrets; print(secrets.token_hex())'
{% if cookiecutter.database == "postgresql" %}
SQLALCHEMY_DATABASE_URI = "postgresql://user:password@host/database"
{%- elif cookiecutter.database == "mysql" %}
SQLALCHEMY_DATABASE_URI = "mysql://user:password@host/database"  # MariaDB: mariadb://…
{%- else %}
SQLALCHEMY_DATABASE_URI = "sqlite:////var/lib/{{ cookiecutter.project_slug }}/{{ cookiecutter.package_name }}.sqlite"
{%- endif %}

# Where another role changes the schema than the one the application runs as.
# Without a password in it, MIGRATION_PASSWORD in the environment is taken, or a terminal asked.
SQLALCHEMY_ALEMBIC_URI = ""

# Seconds that a migration waits: for another process or a table's lock in all; for one lock,
# while the application's queries queue up behind it; for one statement (0: for ever).
MIGRATION_LOCK_WAIT = 300
MIGRATION_LOCK_TIMEOUT = 2
MIGRATION_STATEMENT_TIMEOUT = 3600

# Before a migration, SQLite is copied beside itself, and a server's database is not. Name a folder
# and both go there (pg_dump or mariadb-dump has to be installed); "off" is neither.
MIGRATION_BACKUP = ""
