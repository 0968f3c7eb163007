"""Answers for whoever watches this server."""

from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from .extensions import db, migrate

blueprint = Blueprint("health", __name__, url_prefix="/health")


@blueprint.get("/live")
def live() -> ResponseReturnValue:
    """The process answers."""
    return {"status": "live"}


@blueprint.get("/ready")
def ready() -> ResponseReturnValue:
    """The database is there, and its schema is the one this code was written for."""
    try:
        db.session.execute(db.text("SELECT 1"))
    except SQLAlchemyError:
        return {"status": "database unreachable"}, 503
    if reason := migrate.why_not_ready():
        return {"status": reason}, 503
    return {"status": "ready"}
