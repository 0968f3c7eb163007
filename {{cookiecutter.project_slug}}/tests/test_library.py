"""The books."""

import pytest
from flask.testing import FlaskClient
from sqlalchemy.exc import IntegrityError

from {{ cookiecutter.package_name }}.extensions import db
from {{ cookiecutter.package_name }}.models.library import Author, Book

SOLARIS = {"title": "Solaris", "author": "Stanisław Lem", "year": "1961", "status": "reading"}


def test_an_added_book_is_listed(client: FlaskClient) -> None:
    assert client.post("/books", data=SOLARIS).status_code == 302
    assert "Solaris" in client.get("/books").text


def test_a_book_is_there_once(client: FlaskClient) -> None:
    client.post("/books", data=SOLARIS)
    again = client.post("/books", data=SOLARIS)
    assert again.status_code == 400
    assert "already has a book called Solaris" in again.text
    assert db.session.query(Book).count() == 1


def test_a_book_without_a_title_is_refused(client: FlaskClient) -> None:
    for title in ("", "  "):
        refused = client.post("/books", data=SOLARIS | {"title": title})
        assert "Title: This field is required" in refused.text
    assert db.session.query(Book).count() == 0


@pytest.mark.usefixtures("app")
def test_the_database_itself_refuses_a_year_before_the_first() -> None:
    db.session.add(Book(author=Author(name="Nobody"), title="Nothing", year=-1))
    with pytest.raises(IntegrityError):
        db.session.commit()


def test_the_form_needs_its_token(client: FlaskClient) -> None:
    client.application.config["WTF_CSRF_ENABLED"] = True
    assert client.post("/books", data=SOLARIS).status_code == 400
