"""What every visitor sees, and what watches the server."""

from flask.testing import FlaskClient
from markupsafe import escape


def test_home_greets(client: FlaskClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert f"Welcome to {escape(client.application.config['TITLE'])}" in page.text


def test_live(client: FlaskClient) -> None:
    assert client.get("/health/live").json == {"status": "live"}


def test_ready_at_the_head(client: FlaskClient) -> None:
    assert client.get("/health/ready").status_code == 200
