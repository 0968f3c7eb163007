"""The first page."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

blueprint = Blueprint("home", __name__, template_folder="templates")


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """Greet, and lead on."""
    links: dict[str, str] = {% raw %}{{% endraw %}{% if cookiecutter.example == "yes" %}"The books": "library.books"{% endif %}{% raw %}}{% endraw %}
    return render_template("home.html", links=links)
