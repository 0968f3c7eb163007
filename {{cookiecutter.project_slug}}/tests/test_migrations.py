"""The chain of migrations: one head, up and down, and nothing left out of the models."""

from pytest_alembic import MigrationContext
from pytest_alembic.tests import (  # noqa: F401
    test_model_definitions_match_ddl,
    test_up_down_consistency,
    test_upgrade,
)


def test_no_second_head(alembic_runner: MigrationContext) -> None:
    """Two branches that each add a migration leave two: ``flask db merge heads``."""
    assert len(alembic_runner.heads) <= 1
