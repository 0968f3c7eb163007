"""Stock Alembic, in a process that knows nothing of this library."""

import subprocess
import sys
from collections.abc import Mapping

from tests.library.autogenerate.project import Project

CONVENTION = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

ENV = """
import sys
import sqlalchemy as sa
from alembic import context

metadata = sa.MetaData(naming_convention=CONVENTION)
engine = sa.create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=sa.NullPool)
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
if "alembic_lossless" in sys.modules:
    raise SystemExit("This is not stock Alembic.")
"""

STOCK = """
import sys
from alembic import command
from alembic.config import Config

config = Config()
config.set_main_option("script_location", sys.argv[1])
config.set_main_option("version_locations", sys.argv[2])
config.set_main_option("sqlalchemy.url", sys.argv[3].replace("%", "%%"))
for revision in sys.argv[4:]:
    if revision.startswith("-") or revision == "base":
        command.downgrade(config, revision)
    else:
        command.upgrade(config, revision)
"""


def stock(
    project: Project,
    url: str,
    *revisions: str,
    convention: Mapping[str, str] | None = CONVENTION,
) -> str:
    """Run the chain of *project* under stock Alembic to each of *revisions*; return the error.

    :param convention: the models' naming convention; None for models without one.
    """
    folder = project.folder.parent / "stock"
    folder.mkdir(exist_ok=True)
    (folder / "env.py").write_text(ENV.replace("CONVENTION", repr(convention)))
    versions = project.folder / "versions"
    command = [sys.executable, "-W", "ignore", "-c", STOCK, str(folder), str(versions), url]
    done = subprocess.run([*command, *revisions], capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""
