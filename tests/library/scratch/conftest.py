from tests.library.rehearsal.conftest import place

__all__ = ["place"]
