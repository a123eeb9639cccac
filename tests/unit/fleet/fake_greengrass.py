"""greengrassv2 and iot in memory, behind the endpoint: groups, deployments, jobs, and stations' nuclei."""

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import yaml

from tests.unit.fleet.fake_aws_endpoint import (
    BotocoreService,
    Json,
    ServiceRefusalError,
    page,
    snake_case,
)
from tests.unit.fleet.fake_nucleus import OF_THING, FakeNucleus
from tests.unit.fleet.fake_s3 import FakeBucket

MAX_ACCEPTED_RECIPE_BYTES = 16_000
REGION, ACCOUNT = "eu-central-1", "123456789012"
KIND = "line"
BEGAN = datetime(2026, 11, 21, tzinfo=timezone.utc)
Fate = Callable[[str, Json], str]
FAILED = ("FAILED", "TIMED_OUT", "REJECTED")
OPERATIONS = (
    "CreateDeployment CancelDeployment ListDeployments GetDeployment ListCoreDevices "
    "ListEffectiveDeployments ListInstalledComponents CreateComponentVersion ListComponentVersions "
    "DescribeComponent GetComponent"
)
IOT_OPERATIONS = (
    "CreateThingGroup DescribeThingGroup ListThingGroups ListThingsInThingGroup "
    "UpdateThingGroupsForThing RemoveThingFromThingGroup ListJobExecutionsForJob DescribeJob"
)


def thing(name: str) -> str:
    """A thing's ARN."""
    return f"arn:aws:iot:{REGION}:{ACCOUNT}:thing/{name}"


def thing_group(name: str) -> str:
    """A thing group's ARN."""
    return f"arn:aws:iot:{REGION}:{ACCOUNT}:thinggroup/{name}"


class FakeGreengrass:
    """`fate` says how a station ends a deployment: `SUCCEEDED`, `FAILED`, `QUEUED` ...

    `health` has all things that there are; one without a health has never connected. All are in the
    kind's group, as provisioning leaves them. `now_s` are the seconds since BEGAN.
    """

    def __init__(
        self,
        stations: list[str] | None = None,
        now_s: Callable[[], float] = lambda: 0.0,
        lite: frozenset[str] = frozenset(),
    ) -> None:
        self.deployments: dict[str, Json] = {}
        self.health: dict[str, str] = dict.fromkeys(stations or [], "HEALTHY")
        self.nuclei = {name: FakeNucleus(name in lite) for name in stations or []}
        self.groups: dict[str, set[str]] = {KIND: set(stations or [])}
        self.kinds: dict[str, str] = {KIND: ""}
        self.installed: dict[str, list[Json]] = {}
        self.components: dict[str, Json] = {}
        self.executions: dict[str, dict[str, Json]] = {}
        self.bucket = FakeBucket(f"sightline-components-{REGION}-{ACCOUNT}", ACCOUNT)
        self._now_s = now_s
        self.fate: Fate = lambda station, deployment: "SUCCEEDED"
        self._tokens: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self.service = self._serve("greengrassv2", OPERATIONS)
        self.iot = self._serve("iot", IOT_OPERATIONS)
        self.changes: list[tuple[str, Json]] = []  # in order, over both services
        self.service.changes = self.iot.changes = self.changes

    def _serve(self, name: str, operations: str) -> BotocoreService:
        handlers = {
            operation: getattr(self, snake_case(operation)) for operation in operations.split()
        }
        return BotocoreService(name, handlers)

    def add_thing(self, name: str, health: str = "HEALTHY", lite: bool = False) -> None:
        """Another provisioned station."""
        self.health[name] = health
        self.nuclei[name] = FakeNucleus(lite)
        self.groups[KIND].add(name)

    def remove_thing(self, name: str) -> None:
        """There is no such thing."""
        del self.health[name]
        del self.nuclei[name]
        for things in self.groups.values():
            things.discard(name)

    # --- greengrassv2 ---

    def create_deployment(self, request: Json) -> Json:
        """As the service: the same token is the same deployment, and the target must be there."""
        kind, _, name = request["targetArn"].split(":")[-1].partition("/")
        if name not in (self.health if kind == "thing" else self.groups):
            raise ServiceRefusalError("ResourceNotFoundException", request["targetArn"], 404)
        token = request.get("clientToken") or f"none {next(self._numbers)}"
        if token not in self._tokens:
            self._tokens[token] = self._add_deployment(kind, name, request)
        found = self.deployments[self._tokens[token]]
        job = {"iotJobId": found["iotJobId"]} if "iotJobId" in found else {}
        return {"deploymentId": found["deploymentId"], **job}

    def _add_deployment(self, kind: str, name: str, request: Json) -> str:
        number = next(self._numbers)
        deployment = f"deployment-{number:05d}"
        for other in self._of(request["targetArn"]):
            other["isLatestForTarget"] = False
        entry = {
            **{key: value for key, value in request.items() if key != "clientToken"},
            "deploymentId": deployment,
            "creationTimestamp": self._now(number),
            "isLatestForTarget": True,
        }
        if kind == "thinggroup":
            entry["iotJobId"] = f"job-{number:05d}"
        self.deployments[deployment] = entry
        self.executions[deployment] = {}
        for station in sorted(self.groups[name]) if kind == "thinggroup" else [name]:
            self._deliver(station, entry)
        return deployment

    def _deliver(self, station: str, entry: Json) -> None:
        """What a station makes of a deployment by now; its end is final."""
        done = self.executions[entry["deploymentId"]]
        kind, _, name = entry["targetArn"].split(":")[-1].partition("/")
        nucleus = self.nuclei[station]
        if kind == "thing" and nucleus.is_lite:
            return  # Nucleus Lite has no shadow: it never hears of it
        if done.get(station, {}).get("status") in ("SUCCEEDED", *FAILED, "CANCELED", "REMOVED"):
            return
        status = self.fate(station, entry) if self.health[station] else "QUEUED"
        reason = "com.sightline.Capture is BROKEN"
        if status == "SUCCEEDED":
            groups = {group for group, things in self.groups.items() if station in things}
            own = OF_THING if kind == "thing" else name
            reason = nucleus.deploy(own, entry.get("components") or {}, groups)
            status = "FAILED" if reason else "SUCCEEDED"
        if status:
            done[station] = {"status": status, "reason": reason, "at": self._now(0)}
        self._abort_if_needed(entry)

    def _abort_if_needed(self, entry: Json) -> None:
        criteria = entry.get("iotJobConfiguration", {}).get("abortConfig", {}).get("criteriaList")
        done = [e["status"] for e in self.executions[entry["deploymentId"]].values()]
        ended = [status for status in done if status in ("SUCCEEDED", *FAILED)]
        failed = [status for status in ended if status in FAILED]
        for rule in criteria or () if failed else ():
            share = 100 * len(failed) / len(ended)
            if (
                len(ended) >= rule["minNumberOfExecutedThings"]
                and share >= rule["thresholdPercentage"]
            ):
                entry["canceled"] = True

    def cancel_deployment(self, request: Json) -> Json:
        """Who has not received it does not receive it."""
        self._find(request["deploymentId"])["canceled"] = True
        return {"message": "canceled"}

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
        return page("deployments", entries, request)

    def get_deployment(self, request: Json) -> Json:
        """One of them, whole."""
        found = self._find(request["deploymentId"])
        kept = {key: value for key, value in found.items() if key != "canceled"}
        return {**kept, "deploymentStatus": self._state(found)}

    def list_core_devices(self, request: Json) -> Json:
        """Those of the group that have connected."""
        members = self._members(request["thingGroupArn"].partition(":thinggroup/")[2])
        entries = [
            {
                "coreDeviceThingName": name,
                "status": self.health[name],
                "runtime": f"aws_nucleus_{'lite' if self.nuclei[name].is_lite else 'classic'}",
                "lastStatusUpdateTimestamp": self._now(0),
            }
            for name in sorted(members)
            if self.health[name]
        ]
        return page("coreDevices", entries, request)

    def list_effective_deployments(self, request: Json) -> Json:
        """What the station said of its deployments, the newest first."""
        station = self._core_device(request)
        entries = []
        for deployment in reversed(self.deployments.values()):
            done = self.executions[deployment["deploymentId"]].get(station)
            if done is None:
                continue
            if done["status"] == "QUEUED" and deployment["isLatestForTarget"]:
                self._deliver(station, deployment)
                done = self.executions[deployment["deploymentId"]][station]
            entries.append(
                {
                    "deploymentId": deployment["deploymentId"],
                    "deploymentName": deployment.get("deploymentName", ""),
                    "targetArn": deployment["targetArn"],
                    "coreDeviceExecutionStatus": done["status"],
                    "reason": done["reason"] if done["status"] == "FAILED" else "",
                    "creationTimestamp": deployment["creationTimestamp"],
                    "modifiedTimestamp": done["at"],
                }
            )
        return page("effectiveDeployments", entries, request)

    def list_installed_components(self, request: Json) -> Json:
        """What a test put there."""
        station = self._core_device(request)
        return page("installedComponents", self.installed.get(station, []), request)

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

    def describe_component(self, request: Json) -> Json:
        """Its tags; it can be deployed at once."""
        found = self.components.get(request["arn"])
        if found is None:
            raise ServiceRefusalError("ResourceNotFoundException", request["arn"], 404)
        return {
            "arn": request["arn"],
            "status": {"componentState": "DEPLOYABLE"},
            "tags": found.get("tags", {}),
        }

    def get_component(self, request: Json) -> Json:
        """The recipe in the service's own order and with what it adds."""
        found = self.components.get(request["arn"])
        if found is None:
            raise ServiceRefusalError("ResourceNotFoundException", request["arn"], 404)
        recipe = yaml.safe_load(found["inlineRecipe"])
        for manifest in recipe["Manifests"]:
            for artifact in manifest.get("Artifacts", ()):
                artifact["Permission"] = {"Read": "OWNER", "Execute": "NONE"}
                artifact.update(found.get("added", {}))
        content = yaml.safe_dump(recipe).encode()
        return {"recipeOutputFormat": "YAML", "recipe": content, "tags": {}}

    def list_component_versions(self, request: Json) -> Json:
        """Those that were created; who asks for an unknown component is told so, as by the service."""
        begin = f"{request['arn']}:versions:"
        versions = [arn.removeprefix(begin) for arn in self.components if arn.startswith(begin)]
        if not versions:
            raise ServiceRefusalError("ResourceNotFoundException", request["arn"], 404)
        entries = [{"componentVersion": version} for version in versions]
        return page("componentVersions", entries, request)

    # --- iot ---

    def create_thing_group(self, request: Json) -> Json:
        """A group of that name once."""
        name = request["thingGroupName"]
        if name in self.groups:
            raise ServiceRefusalError("ResourceAlreadyExistsException", name, 409)
        attributes = request["thingGroupProperties"]["attributePayload"]["attributes"]
        self.groups[name], self.kinds[name] = set(), attributes["sightline-kind"]
        return {"thingGroupName": name, "thingGroupArn": thing_group(name)}

    def describe_thing_group(self, request: Json) -> Json:
        """Its kind, as an attribute."""
        kind = self.kinds[request["thingGroupName"]]
        attributes = {"sightline-kind": kind} if kind else {}
        return {
            "thingGroupName": request["thingGroupName"],
            "thingGroupProperties": {"attributePayload": {"attributes": attributes}},
        }

    def list_thing_groups(self, request: Json) -> Json:
        """Those with the prefix."""
        found = [name for name in self.groups if name.startswith(request["namePrefixFilter"])]
        entries = [{"groupName": name, "groupArn": thing_group(name)} for name in found]
        return page("thingGroups", entries, request)

    def list_things_in_thing_group(self, request: Json) -> Json:
        """The members."""
        return page("things", sorted(self._members(request["thingGroupName"])), request)

    def update_thing_groups_for_thing(self, request: Json) -> Json:
        """Removes and adds at once; a group's continuous job reaches whoever joins."""
        name = request["thingName"]
        for group in request.get("thingGroupsToRemove", ()):
            self._leave(name, group)
        for group in request.get("thingGroupsToAdd", ()):
            self._members(group).add(name)
            for entry in self._of(thing_group(group)):
                if entry["isLatestForTarget"] and not entry.get("canceled"):
                    self._deliver(name, entry)
        return {}

    def remove_thing_from_thing_group(self, request: Json) -> Json:
        """The thing leaves."""
        self._leave(request["thingName"], request["thingGroupName"])
        return {}

    def list_job_executions_for_job(self, request: Json) -> Json:
        """How a job goes on each of its things by now."""
        entry = self._of_job(request["jobId"])
        done = self.executions[entry["deploymentId"]]
        members = self._members(entry["targetArn"].partition(":thinggroup/")[2])
        if entry["isLatestForTarget"] and not entry.get("canceled"):
            for station in sorted(members):
                if not entry.get("canceled"):
                    self._deliver(station, entry)
        entries = [
            {
                "thingArn": thing(station),
                "jobExecutionSummary": {
                    "status": self._execution_status(found, entry),
                    "lastUpdatedAt": found["at"],
                },
            }
            for station, found in done.items()
        ]
        return page("executionSummaries", entries, request)

    def describe_job(self, request: Json) -> Json:
        """Whether it was aborted, and how many ended how."""
        entry = self._of_job(request["jobId"])
        done = [found["status"] for found in self.executions[entry["deploymentId"]].values()]
        details = {
            "numberOfSucceededThings": done.count("SUCCEEDED"),
            "numberOfFailedThings": done.count("FAILED"),
            "numberOfTimedOutThings": done.count("TIMED_OUT"),
        }
        status = "CANCELED" if entry.get("canceled") else "IN_PROGRESS"
        return {"job": {"jobId": request["jobId"], "status": status, "jobProcessDetails": details}}

    # --- inside ---

    def _leave(self, name: str, group: str) -> None:
        self._members(group).discard(name)
        for entry in self._of(thing_group(group)):
            done = self.executions[entry["deploymentId"]].get(name)
            if done and done["status"] == "QUEUED":
                done["status"] = "REMOVED"

    def _execution_status(self, found: Json, entry: Json) -> str:
        waits = found["status"] in ("QUEUED", "IN_PROGRESS")
        return "CANCELED" if waits and entry.get("canceled") else str(found["status"])

    def _members(self, group: str) -> set[str]:
        if group not in self.groups:
            raise ServiceRefusalError("ResourceNotFoundException", group, 404)
        return self.groups[group]

    def _find(self, deployment: str) -> Json:
        found = self.deployments.get(deployment)
        if found is None:
            raise ServiceRefusalError("ResourceNotFoundException", deployment, 404)
        return found

    def _of_job(self, job: str) -> Json:
        return next(e for e in self.deployments.values() if e.get("iotJobId") == job)

    def _core_device(self, request: Json) -> str:
        station = str(request["coreDeviceThingName"])
        if not self.health.get(station):
            raise ServiceRefusalError("ResourceNotFoundException", f"no core device {station}", 404)
        return station

    def _of(self, target: str) -> list[Json]:
        return [entry for entry in self.deployments.values() if entry["targetArn"] == target]

    def _now(self, number: int) -> datetime:
        return BEGAN + timedelta(seconds=self._now_s(), milliseconds=number)

    def _state(self, entry: Json) -> str:
        if not entry["isLatestForTarget"]:
            return "INACTIVE"
        return "CANCELED" if entry.get("canceled") else "ACTIVE"
