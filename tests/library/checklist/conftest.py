"""The projects that the tests of autogenerate have, too."""

from tests.library.autogenerate.conftest import either, on_both, on_mariadb, project

__all__ = ["either", "on_both", "on_mariadb", "project"]
