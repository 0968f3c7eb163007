"""The first page."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

blueprint = Blueprint("home", __name__, template_folder="templates")


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """Greet."""
    return render_template("home.html")
