"""What is imported: an upgrade on a server loads nothing that only authoring needs."""

from tests.servers.run.shop import Shop

PACKAGE = "alembic_lossless"

#: The rooms that a developer needs, and no server.
AUTHORING = {"scratch", "checklist", "rehearsal", "autogenerate", "adopt", "reset", "transfer"}

UPGRADE = """
import sys

from shop import create_app

result = create_app().test_cli_runner().invoke(args=["db", "upgrade"])
print(result.output)
print(*sys.modules)
"""


def test_pending_upgrade_loads_no_authoring(shop: Shop) -> None:
    *printed, modules = shop.python_run(UPGRADE).splitlines()
    assert "Applied 2 revisions: at a2." in printed
    loaded = {name.split(".")[1] for name in modules.split() if name.startswith(f"{PACKAGE}.")}
    assert {"run", "backup", "sqlite"} <= loaded
    assert not loaded & AUTHORING


BARE = f"""
import sys

from {PACKAGE} import MigrationError, Settings, safeguard

print(*sys.modules)
"""


def test_package_that_env_imports_loads_no_flask_and_no_click(shop: Shop) -> None:
    loaded = set(shop.python_run(BARE).split())
    assert f"{PACKAGE}.run.env" in loaded
    assert not loaded & {"flask", "flask_migrate", "flask_sqlalchemy", "click"}
