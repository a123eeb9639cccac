"""An entry of docs/renames.json whose new name is not there is caught."""

import json

import pytest

from tools.suite_rules.rename_record import RECORD_PATH, find_wrong_renames
from tools.suite_rules.source_files import SourceFile

SITE = """
Names = dict[str, str]

class Site:
    class Inner: ...

def build_site() -> None: ...
"""
SOURCES = [
    SourceFile("cloud/site.py", SITE),
    SourceFile("cloud/web/app.py", "def build_app() -> None: ...\n"),
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
        ("symbols", "lambda_worker.Handler"),
        ("members", "cloud.site.Site.any_method"),
        ("members", "cloud.site.Site.Inner.any_method"),
        ("members", "cloud.site.Site@4.any_method"),
        ("members", "cloud.site.build_site(parameter)"),
        ("configuration", "maxOkCount"),
    ],
)
def test_an_entry_whose_new_name_is_there_passes(section: str, new: str) -> None:
    assert find_wrong(section, new) == []


@pytest.mark.parametrize(
    ("section", "new", "said"),
    [
        ("modules", "cloud.sites", "no module cloud.sites"),
        ("files", "cloud/sites.py", "no such file"),
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


def test_without_a_record_nothing_is_said() -> None:
    assert find_wrong_renames(SOURCES) == []
