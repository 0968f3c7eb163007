"""The pages of docs/reference that are made from the library are what the library says."""

import pytest

from alembic_lossless.checklist import handwritten
from alembic_lossless.checklist.rules import RULES, Rule, dedented
from scripts import reference

EXAMPLES = [rule for rule in RULES if rule.bad]


@pytest.mark.parametrize("name", reference.PAGES)
def test_page_is_what_the_script_writes(name: str) -> None:
    """Where it is not: python scripts/reference.py."""
    page = (reference.FOLDER / name).read_text(encoding="utf-8")
    assert page == reference.PAGES[name]().rstrip() + "\n"


def test_every_rule_has_an_example() -> None:
    assert {rule.id for rule in RULES} == {rule.id for rule in EXAMPLES}


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda rule: rule.id)
def test_bad_example_has_the_finding_and_good_example_has_not(rule: Rule) -> None:
    """A finding with consent, where only that is to be had, is none."""
    database = reference.shown_database(rule)
    bad, good = (
        [
            finding
            for finding in reference.review_example(example, database)
            if reference.is_of(finding, rule) and not finding.accepted
        ]
        for example in (rule.bad, rule.good)
    )
    assert bad
    assert not good


def test_only_the_bad_example_of_model_import_imports_a_model() -> None:
    bad, good = map(dedented, handwritten.MODEL_IMPORT)
    assert reference.model_imports(bad)
    assert not reference.model_imports(good)
