"""A fresh database for each test, and never the development database."""

import sqlite3
from collections.abc import Iterator

import pytest
from alembic.config import Config
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import StaticPool

from {{ cookiecutter.package_name }} import create_app
from {{ cookiecutter.package_name }}.extensions import db

SETTINGS = {
    "TESTING": True,
    "SECRET_KEY": "for the tests",
    "WTF_CSRF_ENABLED": False,
    "SQLALCHEMY_DATABASE_URI": "sqlite://",
}


@pytest.fixture(scope="session")
def migrated() -> Iterator[sqlite3.Connection]:
    """A database in memory that the migrations built, once."""
    app = create_app(SETTINGS)
    with app.app_context():
        upgrade()
        engine = db.engine
    connection = engine.raw_connection()
    yield connection.driver_connection
    connection.close()
    engine.dispose()


@pytest.fixture
def app(migrated: sqlite3.Connection) -> Iterator[Flask]:
    """The application on its own copy of that database."""
    app = create_app(SETTINGS)
    with app.app_context():
        connection = db.engine.raw_connection()
        migrated.backup(connection.driver_connection)
        connection.close()
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without a screen."""
    return app.test_client()


@pytest.fixture
def alembic_config() -> Iterator[Config]:
    """The migrations, as pytest-alembic wants them."""
    app = create_app(SETTINGS)
    with app.app_context():
        yield app.extensions["migrate"].migrate.get_config()


@pytest.fixture
def alembic_engine() -> Iterator[Engine]:
    """An empty database in memory for pytest-alembic."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    yield engine
    engine.dispose()
