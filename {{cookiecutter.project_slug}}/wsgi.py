"""The application, where ``flask`` and gunicorn look for it."""

from {{ cookiecutter.package_name }} import create_app

app = create_app()
