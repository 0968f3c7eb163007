"""The application factory."""

from collections.abc import Mapping
from typing import Any

from flask import Flask

from . import extensions, health, models, pages, seeds, settings


def create_app(overrides: Mapping[str, Any] | None = None) -> Flask:
    """Make the application.

    :param overrides: settings that win over all others; tests give theirs here.
    :raises SystemExit: with one sentence, when a setting is missing or wrong.
    """
    app = Flask(__name__, instance_relative_config=True)
    settings.load(app, overrides or {})
    models.load()
    extensions.init_app(app, seed=seeds.fill)
    app.register_blueprint(health.blueprint)
    pages.init_app(app)
    return app
