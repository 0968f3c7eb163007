"""The second line of refusal, for answers that were replayed rather than asked.

cookiecutter.json checks each answer before any folder exists. A replayed file brings its own
answers, the checks' results among them; but this file is rendered as well, and so checks again.
"""

CHECKED = (
    "{{ cookiecutter.project_slug | check_slug }}",
    "{{ cookiecutter.package_name | check_package }}",
)
