"""An entry of docs/renames.json whose new name is not there is caught."""

import json

import pytest

from tools.recipes import ROOT
from tools.suite_rules.rename_record import RECORD_PATH, find_wrong_renames
from tools.suite_rules.source_files import SourceFile
from training.plans.plan_keys import RENAMED_PLAN_KEYS

SITE = """
Names = dict[str, str]

class Site:
    class Inner: ...

def build_site() -> None: ...
"""
SOURCES = [
    SourceFile("cloud/site.py", SITE),
    SourceFile("cloud/web/app.py", "def build_app() -> None: ...\n"),
    SourceFile("cloud/web/__init__.py", '__all__ = ["Given"]\n'),
    SourceFile("hil/nucleus/lambdas/lambda_modules/lambda_worker.py", "class Handler: ...\n"),
]


def find_wrong(section: str, new: str) -> list[str]:
    record = SourceFile(RECORD_PATH, json.dumps({section: {"old.name": new}}))
    return find_wrong_renames([*SOURCES, record])


@pytest.mark.parametrize(
    ("section", "new"),
    [
        ("modules", "cloud.site"),
        ("files", "cloud/site.py"),
        ("symbols", "cloud.site.Site"),
        ("symbols", "cloud.site.Names"),
        ("symbols", "cloud.site.build_site"),
        ("symbols", "cloud.site.removed_since"),
        ("symbols", "cloud.site._build_app"),
        ("symbols", "cloud.web.Given"),
        ("symbols", "lambda_worker.Handler"),
        ("members", "cloud.site.Site.any_method"),
        ("members", "cloud.site.Site.Inner.any_method"),
        ("members", "cloud.site.Site@4.any_method"),
        ("members", "cloud.site.build_site(parameter)"),
        ("configuration", "maxOkCount"),
        ("entry_points", "cloud.site"),
        ("gone", "a word on what replaces it"),
    ],
)
def test_an_entry_whose_new_name_is_there_passes(section: str, new: str) -> None:
    assert find_wrong(section, new) == []


@pytest.mark.parametrize(
    ("section", "new", "said"),
    [
        ("modules", "cloud.sites", "no module cloud.sites"),
        ("files", "cloud/sites.py", "no such file"),
        ("entry_points", "cloud.sites", "no module cloud.sites"),
        ("symbols", "cloud.sites.Site", "no module cloud.sites"),
        ("symbols", "cloud.site.Sites", "no class Sites in cloud.site"),
        ("symbols", "cloud.site._Sites", "no class _Sites in cloud.site"),
        ("symbols", "cloud.site.build_app", "build_app is in cloud.web.app"),
        ("members", "cloud.site.Sites.any_method", "no class Sites in cloud.site"),
        ("members", "cloud.site.Site.Outer.any_method", "no class Outer in cloud.site"),
        ("members", "plant.site.Site.any_method", "no module in plant.site.Site.any_method"),
    ],
)
def test_an_entry_whose_new_name_is_gone_is_caught(section: str, new: str, said: str) -> None:
    assert find_wrong(section, new) == [
        f"{RECORD_PATH}: old.name -> {new}: {said}; correct or remove the entry"
    ]


def test_a_name_that_is_both_gone_and_renamed_is_caught() -> None:
    record = {"symbols": {"old.name": "cloud.site.Site"}, "gone": {"old.name": "nothing"}}
    found = find_wrong_renames([*SOURCES, SourceFile(RECORD_PATH, json.dumps(record))])
    assert found == [f"{RECORD_PATH}: old.name is gone and in symbols; keep one of the entries"]


def test_every_section_of_the_record_says_what_it_is() -> None:
    record = json.loads((ROOT / RECORD_PATH).read_text())
    assert [name for name in record["_about"] if name] == [
        name for name in record if name != "_about"
    ]


def test_the_record_has_the_old_keys_of_training_plans() -> None:
    record = json.loads((ROOT / RECORD_PATH).read_text())
    assert record["plan_keys"] == RENAMED_PLAN_KEYS


def test_without_a_record_nothing_is_said() -> None:
    assert find_wrong_renames(SOURCES) == []
