"""What migrator/ adds to the application; it leaves together with that folder."""

from flask.testing import FlaskClient

from {{ cookiecutter.package_name }}.extensions import db


def test_not_ready_at_a_revision_the_code_does_not_know(client: FlaskClient) -> None:
    db.session.execute(db.text("DROP TABLE IF EXISTS alembic_version"))
    db.session.execute(db.text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
    db.session.execute(db.text("INSERT INTO alembic_version VALUES ('unknown')"))
    db.session.commit()
    assert client.get("/health/ready").status_code == 503
