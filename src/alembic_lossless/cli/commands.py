"""Every command, declared by being imported."""

import click

from .command import COMMANDS


def load() -> dict[str, click.Command]:
    """Declare the commands, and return them by their names."""
    from . import adopt, baseline, check, downgrade, migrate, move, upgrade

    del adopt, baseline, check, downgrade, migrate, move, upgrade
    return COMMANDS
