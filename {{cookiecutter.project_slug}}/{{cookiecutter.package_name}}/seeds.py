"""Rows for the development database; ``make db`` puts them in."""
{% if cookiecutter.example == "yes" %}
from .extensions import db
from .models.library import Author, Book, Status


def fill() -> None:
    """Add the rows."""
    le_guin = Author(name="Ursula K. Le Guin")
    lem = Author(name="Stanisław Lem")
    db.session.add_all(
        [
            Book(author=le_guin, title="The Dispossessed", year=1974, status=Status.READ),
            Book(author=le_guin, title="The Lathe of Heaven", year=1971),
            Book(author=lem, title="Solaris", year=1961, status=Status.READING),
        ]
    )
    db.session.commit()
{%- else %}

def fill() -> None:
    """Add the rows, with ``db.session.add(…)`` and a ``db.session.commit()`` at the end."""
{%- endif %}
