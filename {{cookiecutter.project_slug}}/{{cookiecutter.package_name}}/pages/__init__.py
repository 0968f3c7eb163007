"""The pages a visitor sees; each module here has a blueprint."""

from flask import Flask

from . import home{% if cookiecutter.example == "yes" %}, library{% endif %}


def init_app(app: Flask) -> None:
    """Add the pages to *app*."""
    app.register_blueprint(home.blueprint)
{%- if cookiecutter.example == "yes" %}
    app.register_blueprint(library.blueprint)
{%- endif %}
