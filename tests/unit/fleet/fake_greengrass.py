"""greengrassv2 in memory, behind the endpoint: deployments, and core devices that carry them out."""

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import yaml

from tests.unit.fleet.fake_aws_endpoint import BotocoreService, Json, ServiceRefusalError

MAX_ACCEPTED_RECIPE_BYTES = 16_000
REGION, ACCOUNT = "eu-central-1", "123456789012"
BEGAN = datetime(2026, 11, 21, tzinfo=timezone.utc)
Fate = Callable[[str, Json], str]


def thing(name: str) -> str:
    """A thing's ARN."""
    return f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/{name}"


class FakeGreengrass:
    """`fate` says how a station ends a deployment: `SUCCEEDED`, `FAILED`, `QUEUED` ...

    `health` has all things that there are; one without a health has never connected. `now_s` are the
    seconds since BEGAN.
    """

    def __init__(
        self, stations: list[str] | None = None, now_s: Callable[[], float] = lambda: 0.0
    ) -> None:
        self.deployments: dict[str, Json] = {}
        self.health: dict[str, str] = dict.fromkeys(stations or [], "HEALTHY")
        self.installed: dict[str, list[Json]] = {}
        self.components: dict[str, Json] = {}
        self._now_s = now_s
        self.fate: Fate = lambda station, deployment: "SUCCEEDED"
        self._tokens: dict[str, str] = {}
        self._numbers = itertools.count(1)
        operations = (
            "CreateDeployment ListDeployments GetDeployment ListCoreDevices ListEffectiveDeployments "
            "ListInstalledComponents CreateComponentVersion ListComponentVersions"
        )
        names = {name: _snake(name) for name in operations.split()}
        self.service = BotocoreService(
            "greengrassv2", {name: getattr(self, own) for name, own in names.items()}
        )

    def create_deployment(self, request: Json) -> Json:
        """As the service: the same token is the same deployment, and the thing must be there."""
        if request["targetArn"].split("/")[-1] not in self.health:
            raise ServiceRefusalError("ResourceNotFoundException", request["targetArn"], 404)
        token = request.get("clientToken") or f"none {next(self._numbers)}"
        if token not in self._tokens:
            number = next(self._numbers)
            deployment = f"deployment-{number:05d}"
            self._tokens[token] = deployment
            for other in self._of(request["targetArn"]):
                other["isLatestForTarget"] = False
            self.deployments[deployment] = {
                **{key: value for key, value in request.items() if key != "clientToken"},
                "deploymentId": deployment,
                "creationTimestamp": BEGAN + timedelta(seconds=self._now_s(), milliseconds=number),
                "isLatestForTarget": True,
            }
        return {"deploymentId": self._tokens[token]}

    def list_deployments(self, request: Json) -> Json:
        """By target, or the latest of every target."""
        found = list(self.deployments.values())
        if "targetArn" in request:
            found = self._of(request["targetArn"])
        if request.get("historyFilter") == "LATEST_ONLY":
            found = [entry for entry in found if entry["isLatestForTarget"]]
        keys = ("targetArn", "deploymentId", "deploymentName", "creationTimestamp")
        entries = [
            {
                **{key: entry[key] for key in keys if key in entry},
                "deploymentStatus": self._state(entry),
            }
            for entry in found
        ]
        return _page("deployments", entries, request)

    def get_deployment(self, request: Json) -> Json:
        """One of them, whole."""
        found = self.deployments.get(request["deploymentId"])
        if found is None:
            raise ServiceRefusalError("ResourceNotFoundException", request["deploymentId"], 404)
        return {**found, "deploymentStatus": self._state(found)}

    def list_core_devices(self, request: Json) -> Json:
        """All that are known, as if all were in the group."""
        assert ":thinggroup/" in request["thingGroupArn"]
        entries = [
            {"coreDeviceThingName": name, "status": health, "runtime": "aws_nucleus_classic"}
            for name, health in self.health.items()
            if health
        ]
        return _page("coreDevices", entries, request)

    def list_effective_deployments(self, request: Json) -> Json:
        """What the station said of its deployments, the newest first."""
        station = self._core_device(request)
        entries = [
            {
                "deploymentId": entry["deploymentId"],
                "deploymentName": entry.get("deploymentName", ""),
                "targetArn": entry["targetArn"],
                "coreDeviceExecutionStatus": fate,
                "reason": "com.sightline.Capture is BROKEN" if fate == "FAILED" else "",
                "creationTimestamp": entry["creationTimestamp"],
                "modifiedTimestamp": entry["creationTimestamp"],
            }
            for entry in reversed(self._of(thing(station)))
            if (fate := self.fate(station, entry))
        ]
        return _page("effectiveDeployments", entries, request)

    def list_installed_components(self, request: Json) -> Json:
        """What a test put there."""
        station = self._core_device(request)
        return _page("installedComponents", self.installed.get(station, []), request)

    def create_component_version(self, request: Json) -> Json:
        """A version can be created once."""
        if "inlineRecipe" in request:
            recipe = yaml.safe_load(request["inlineRecipe"])
            assert len(request["inlineRecipe"]) <= MAX_ACCEPTED_RECIPE_BYTES
            name, version = recipe["ComponentName"], recipe["ComponentVersion"]
        else:
            given = request["lambdaFunction"]
            name, version = given["componentName"], given["componentVersion"]
        arn = f"arn:aws:greengrass:{REGION}:{ACCOUNT}:components:{name}:versions:{version}"
        if arn in self.components:
            raise ServiceRefusalError("ConflictException", f"{name} {version} is there", 409)
        self.components[arn] = request
        return {
            "arn": arn,
            "componentName": name,
            "componentVersion": version,
            "creationTimestamp": BEGAN,
            "status": {"componentState": "REQUESTED"},
        }

    def list_component_versions(self, request: Json) -> Json:
        """Those that were created; who asks for an unknown component is told so, as by the service."""
        begin = f"{request['arn']}:versions:"
        versions = [arn.removeprefix(begin) for arn in self.components if arn.startswith(begin)]
        if not versions:
            raise ServiceRefusalError("ResourceNotFoundException", request["arn"], 404)
        entries = [{"componentVersion": version} for version in versions]
        return _page("componentVersions", entries, request)

    def _core_device(self, request: Json) -> str:
        station = str(request["coreDeviceThingName"])
        if not self.health.get(station):
            raise ServiceRefusalError("ResourceNotFoundException", f"no core device {station}", 404)
        return station

    def _of(self, target: str) -> list[Json]:
        return [entry for entry in self.deployments.values() if entry["targetArn"] == target]

    def _state(self, entry: Json) -> str:
        if not entry["isLatestForTarget"]:
            return "INACTIVE"
        fate = self.fate(entry["targetArn"].split("/")[-1], entry)
        return {"SUCCEEDED": "COMPLETED", "FAILED": "FAILED"}.get(fate, "ACTIVE")


def _page(key: str, entries: list[Json], request: Json) -> Json:
    begin = int(request.get("nextToken") or 0)
    end = begin + request.get("maxResults", 50)
    page: dict[str, Any] = {key: entries[begin:end]}
    return {**page, "nextToken": str(end)} if end < len(entries) else page


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).strip(
        "_"
    )
