"""What a project says about the checklist, in its pyproject.toml."""

import tomllib
from pathlib import Path

from ..errors import MigrationError
from .rules import RULES


def switched_off(migrations: Path) -> dict[str, str]:
    """Return the rules that the project of *migrations* has switched off, with its reasons::

        [tool.migrations.off]
        add-index = "our tables are small"

    :raises MigrationError: for a rule that there is not, or no reason.
    """
    folders = (folder / "pyproject.toml" for folder in migrations.resolve().parents)
    file = next((file for file in folders if file.is_file()), None)
    if file is None:
        return {}
    tables = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
    off: dict[str, str] = tables.get("migrations", {}).get("off", {})
    known = {rule.id for rule in RULES}
    for rule, reason in off.items():
        if rule not in known:
            raise MigrationError(
                f"{file.name} switches off {rule!r}, which is no rule of the checklist. "
                f"There are: {', '.join(sorted(known))}."
            )
        if not isinstance(reason, str) or not reason.strip():
            raise MigrationError(
                f'{file.name} switches off {rule} without a reason: say {rule} = "the reason".'
            )
    return off
