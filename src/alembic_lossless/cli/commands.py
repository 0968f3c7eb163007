"""Every command, declared by being imported."""


def load() -> None:
    """Declare the commands."""
    from . import adopt, check, downgrade, migrate, move, upgrade

    del adopt, check, downgrade, migrate, move, upgrade
