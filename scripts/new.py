"""Ask the template's questions, each until its answer will do, and write a project.

The project goes beside this repository, or into the folder named.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import click
from cookiecutter import prompt
from cookiecutter.exceptions import CookiecutterException
from cookiecutter.main import cookiecutter
from jinja2 import Environment

TEMPLATE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TEMPLATE))

from local_extensions import Answers, Refusal  # noqa: E402  found beside cookiecutter.json

ask = prompt.read_user_variable


def main(folder: Path) -> int:
    """Ask, and write the project into *folder*; return the exit code."""
    questions = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
    checks = {
        re.findall(r"cookiecutter\.(\w+)", check)[0]: check
        for name, check in questions.items()
        if name.startswith("__checked")
    }
    environment = Environment(extensions=[Answers])

    def ask_until_it_will_do(name: str, *arguments: Any) -> Any:
        while True:
            answer = ask(name, *arguments)
            try:
                environment.from_string(checks.get(name, "")).render(cookiecutter={name: answer})
                if name == "project_slug" and (folder / answer).exists():
                    raise Refusal(f"{folder / answer} is there already: type another name.")
                return answer
            except Refusal as refusal:
                print(refusal)

    # Cookiecutter by itself would end at the first answer that is refused.
    prompt.read_user_variable = ask_until_it_will_do
    try:
        cookiecutter(str(TEMPLATE), output_dir=str(folder))
    except CookiecutterException as error:
        print(error, file=sys.stderr)
    except (EOFError, KeyboardInterrupt, click.Abort):
        print("\nNothing was written.", file=sys.stderr)
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(*sys.argv[1:2] or [TEMPLATE.parent])))
