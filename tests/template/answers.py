"""Answers that the template has to cope with, and answers that it has to refuse."""

# ruff: noqa: RUF001, RUF003

import json

from tests.support.bake import TEMPLATE

QUESTIONS = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
CHOICES = {k: v for k, v in QUESTIONS.items() if isinstance(v, list) and not k.startswith("_")}

TEXTS = {
    "quotes": 'Ann\'s "big" `shop` \'\'\'and\'\'\' """more"""',
    "ends-with-quote": 'the "shop"',
    "backslashes": "C:\\new\\table\\x41 \\u0041 \\N{DASH} \\",
    "unicode": "Überraschung – Größe, 東京, Привет, مرحبا",
    "look-alikes": "O’Brien ‘n’ Μodels − Сo × ﹣",
    "emoji": "🚀 shop 👩‍💻 🇨🇭",
    "toml": 'a = "b" # c\\ [d] {e = 1}',
    "yaml": "- a: b # c & *d !e | > % @ ? [f], {g}: yes",
    "shell": "$(touch x) `touch y` $HOME ; rm -rf z && ! > q | \\",
    "make": "$(shell touch x) $@ $$ # % : = \\",
    "html": "<script>alert('1')</script> &amp; <b>\"</b> &lt;",
    "markdown": "# 1. *a* _b_ [c](d) `e` <f> ~~g~~ | h ! &copy; --- ***",
    "list-mark": "1. first",
    "rule": "--- a",
    "python": "%s %d {0} {name} f'{x}' \\n # noqa # type: ignore # coding: latin-1",
    "spaces": "  a \u00a0 b  ",
}

# One project for each choice of every question, and all of database × example.
PROJECTS = {
    **{f"{key}-{value}": {key: value} for key, values in CHOICES.items() for value in values},
    **{
        f"{database}-{example}": {"database": database, "example": example}
        for database in CHOICES["database"]
        for example in CHOICES["example"]
    },
    **{
        f"text-{name}": {
            "project_name": text[:60],
            "project_slug": "shop",
            "description": text,
            "author_name": text[:60],
        }
        for name, text in TEXTS.items()
    },
    "short-names": {"project_name": "A", "project_slug": "a", "package_name": "a"},
    "late-name": {"project_slug": "zoo", "package_name": "zoo"},
    "long-answers": {
        "project_name": "N" * 60,
        "project_slug": "s" * 50,
        "package_name": "p" * 30,
        "description": "Many words " * 18,
        "author_name": "A" * 60,
        "author_email": "a" * 60 + "@" + "b" * 50 + ".com",
    },
}

# What a project's name makes of the two others.
DERIVED = {
    "My Project": ("my-project", "my_project"),
    "shop": ("shop", "shop"),
    "Überraschung 3000!": ("uberraschung-3000", "uberraschung_3000"),
    "Straße": ("strasse", "strasse"),
    "Привет": ("privet", "privet"),
    "東京": ("dong-jing", "dong_jing"),
    "🚀": ("flask-app", "flask_app"),
    "../../etc": ("etc", "etc"),
    "3000 Dinge": ("3000-dinge", "app_3000_dinge"),
    "Calendar": ("calendar", "calendar_app"),
    "Class": ("class", "class_app"),
    "Flask": ("flask-app", "flask_app"),
    "Con": ("con-app", "con_app"),
    "Test": ("test", "test_app"),
    "word " * 12: (
        "word-word-word-word-word-word-word-word-word",
        "word_word_word_word_word",
    ),
}

# question, answer, why not, what to type instead
REFUSED = [
    ("package_name", "my-app", "not made of", "my_app"),
    ("package_name", "my app", "not made of", "my_app"),
    ("package_name", "3d", "not made of", "app_3d"),
    ("package_name", "_shop", "not made of", "shop"),
    ("package_name", "Shop", "not made of", "shop"),
    ("package_name", "größe", "not made of", "grosse"),
    ("package_name", "sh\u043ep", "not made of", "shop"),
    ("package_name", "🚀", "not made of", "flask_app"),
    ("package_name", "../shop", "not made of", "shop"),
    ("package_name", "/tmp/shop", "not made of", "tmp_shop"),
    ("package_name", "shop.web", "not made of", "shop_web"),
    ("package_name", "shop\n", "not made of", "shop"),
    ("package_name", "", "empty", "flask_app"),
    ("package_name", "  ", "empty", "flask_app"),
    ("package_name", "class", "keyword", "class_app"),
    ("package_name", "None", "keyword", "none"),
    ("package_name", "json", "standard library", "json_app"),
    ("package_name", "calendar", "standard library", "calendar_app"),
    ("package_name", "distutils", "standard library", "distutils_app"),
    ("package_name", "flask", "project installs", "flask_app"),
    ("package_name", "sqlalchemy", "project installs", "sqlalchemy_app"),
    ("package_name", "alembic", "project installs", "alembic_app"),
    ("package_name", "test", "another part", "test_app"),
    ("package_name", "tests", "another part", "tests_app"),
    ("package_name", "migrations", "another part", "migrations_app"),
    ("package_name", "wsgi", "another part", "wsgi_app"),
    ("package_name", "settings", "another part", "settings_app"),
    ("package_name", "con", "Windows", "con_app"),
    ("package_name", "com1", "Windows", "com1_app"),
    ("package_name", "a" * 31, "longer than 30", "a" * 26),
    ("project_slug", "", "empty", "flask-app"),
    ("project_slug", "My Shop", "not made of", "my-shop"),
    ("project_slug", "my_shop", "not made of", "my-shop"),
    ("project_slug", "größe", "not made of", "grosse"),
    ("project_slug", "-shop", "not made of", "shop"),
    ("project_slug", "shop-", "not made of", "shop"),
    ("project_slug", "my--shop", "not made of", "my-shop"),
    ("project_slug", "..", "not made of", "flask-app"),
    ("project_slug", "../shop", "not made of", "shop"),
    ("project_slug", "/tmp/shop", "not made of", "tmp-shop"),
    ("project_slug", "a\\b", "not made of", "a-b"),
    ("project_slug", "nul", "Windows", "nul-app"),
    ("project_slug", "aux", "Windows", "aux-app"),
    ("project_slug", "flask", "project installs", "flask-app"),
    ("project_slug", "flask-sqlalchemy", "project installs", "flask-sqlalchemy-app"),
    ("project_slug", "a" * 51, "longer than 50", "a" * 46),
    ("project_name", "", "empty", "one line"),
    ("project_name", " ", "empty", "one line"),
    ("project_name", "a\nb", "line breaks", "one line"),
    ("project_name", "a\x07b", "control characters", "one line"),
    ("project_name", "a\u2028b", "line breaks", "one line"),
    ("project_name", "a\u202eb", "control characters", "one line"),
    ("project_name", "a" * 61, "61 characters", "60 at most"),
    ("description", "", "empty", "one line"),
    ("description", "a" * 201, "201 characters", "200 at most"),
    ("author_name", "", "empty", "one line"),
    ("author_name", "Ann\tB", "control characters", "one line"),
    ("author_email", "", "empty", "one line"),
    ("author_email", "ann", "e-mail", "one such as you@example.com"),
    ("author_email", "ann@host", "e-mail", "one such as you@example.com"),
    ("author_email", "a b@example.com", "e-mail", "one such as you@example.com"),
    ("author_email", "Ann <ann@example.com>", "e-mail", "one such as you@example.com"),
    ("author_email", "ünn@example.com", "e-mail", "one such as you@example.com"),
    ("author_email", "a..b@example.com", "e-mail", "one such as you@example.com"),
]
