"""How migrations run on this project's databases.

``flask db …``, ``alembic …`` and the tests all come through here.
"""

from alembic import context
from alembic_lossless import cli  # alembic_lossless
from alembic_lossless.run import env  # alembic_lossless
from flask import current_app, has_app_context
from sqlalchemy import create_engine

from {{ cookiecutter.package_name }} import create_app
from {{ cookiecutter.package_name }}.extensions import db

if not has_app_context():
    create_app().app_context().push()

settings = current_app.config
url = settings["SQLALCHEMY_ALEMBIC_URI"] or settings["SQLALCHEMY_DATABASE_URI"]

options = {
    # The names of constraints come from the metadata (extensions.py).
    "target_metadata": db.metadata,
    # Changes to one table stand together, as SQLite needs it and servers like it.
    "render_as_batch": True,
    "compare_type": True,
    "compare_server_default": True,
    "autogenerate_plugins": ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
    "transaction_per_migration": True,
    # A new revision is reviewed before it is written.  # alembic_lossless
    "process_revision_directives": cli.review,  # alembic_lossless
    # What was applied is noted in a table that no model has.
    "include_name": lambda name, kind, _: (kind, name) != ("table", "alembic_lossless_log"),
}

# Tests give an engine of their own.
engine = context.config.attributes.get("connection") or create_engine(url)
# Safe connections, one migrator at a time, checks before every commit.  # alembic_lossless
engine = env.guard(engine, context, options, settings)  # alembic_lossless

if context.is_offline_mode():
    context.configure(url=engine.url, literal_binds=True, **options)
    with context.begin_transaction():
        context.run_migrations()
else:
    with engine.connect() as connection:
        context.configure(connection=connection, **options)
        with context.begin_transaction():
            context.run_migrations()
