"""How migrations run: ``flask db …``, ``alembic …`` and the tests all come through here."""

from alembic import context
from flask import current_app, has_app_context

if not has_app_context():
    # Bare Alembic: `alembic upgrade head`.
    from {{ cookiecutter.package_name }} import create_app

    create_app().app_context().push()

migrate = current_app.extensions["migrate"]


def run_migrations_offline() -> None:
    """Write the SQL (``--sql``) rather than run it."""
    context.configure(
        url=migrate.db.engine.url,
        target_metadata=migrate.db.metadata,
        literal_binds=True,
        **migrate.configure_args,
    )
    with context.begin_transaction():
        context.run_migrations()


def run_migrations_online() -> None:
    """Run the migrations on the application's database, or on one that the tests give."""
    connectable = context.config.attributes.get("connection") or migrate.db.engine
    with connectable.connect() as connection:
        # Among the arguments is Flask-Migrate's batch mode: changes to one table stand together,
        # as SQLite needs it and servers like it.
        context.configure(
            connection=connection,
            target_metadata=migrate.db.metadata,
            **migrate.configure_args,
        )
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    run_migrations_offline()
else:
    run_migrations_online()
