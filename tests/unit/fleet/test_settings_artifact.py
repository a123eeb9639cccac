"""What the fleet tool publishes is what a station's install step takes."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from sightline.storage.settings_store import load_settings, station_file, store_settings
from tests.unit.fleet.conftest import fleet_file
from tools.fleet import settings_artifact
from tools.fleet.deployment_file import parse_deployment_file
from tools.fleet.desired_state import build_desired_stations, settings_component
from tools.fleet.settings_version import build_settings_file, plan_settings_version
from tools.stage import layout

Json = dict[str, Any]


def test_a_stations_settings_come_through_from_the_file_to_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "fetch_wheels", lambda *_: ())
    stations = build_desired_stations(
        parse_deployment_file("line.yaml", yaml.safe_dump(fleet_file()))
    )
    planned = plan_settings_version("line", stations, "", None)
    assert (planned.component, planned.version) == ("com.sightline.settings.Line", "1.0.0")
    packed = settings_artifact.build_archive(planned.component, planned.version, planned.settings)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(tmp_path / "artifact")
    store = tmp_path / "station" / "settings"
    store_settings(tmp_path / "artifact" / "settings", "station-1-2", store, planned.version)
    settings = load_settings(station_file(tmp_path / "station"), "station-1-2")
    (wanted,) = [station for station in stations if station.name == "station-1-2"]
    assert settings.components == build_settings_file(wanted)["components"]
    assert settings.site == "site-1"


def test_the_recipe_names_the_artifact_where_it_is_uploaded() -> None:
    recipe = settings_artifact.build_recipe("com.sightline.settings.Line", "1.0.7", "the-bucket")
    (manifest,) = yaml.safe_load(recipe)["Manifests"]
    uri = "s3://the-bucket/com.sightline.settings.Line/1.0.7/settings.zip"
    assert manifest["Artifacts"] == [{"Uri": uri, "Unarchive": "ZIP"}]
    assert yaml.safe_load(recipe)["ComponentVersion"] == "1.0.7"


@pytest.mark.parametrize(
    ("group", "component"),
    [("jetson-orin", "JetsonOrin"), ("line_2", "Line2"), ("a:b", "AB"), ("LineA", "LineA")],
)
def test_a_kinds_component_has_the_groups_name_in_camel_case(group: str, component: str) -> None:
    assert settings_component(group) == f"com.sightline.settings.{component}"
