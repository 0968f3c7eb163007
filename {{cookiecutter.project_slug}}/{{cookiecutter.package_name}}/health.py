"""Answers for whoever watches this server."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from .extensions import db
from .migrator.apply import status

blueprint = Blueprint("health", __name__, url_prefix="/health")


@blueprint.get("/live")
def live() -> ResponseReturnValue:
    """The process answers."""
    return {"status": "live"}


@blueprint.get("/ready")
def ready() -> ResponseReturnValue:
    """The database is there, and its schema is the one this code was written for."""
    answer = status.readiness(db.engine)
    return {"status": answer.word}, 200 if answer.ready else 503
