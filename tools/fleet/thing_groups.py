"""AWS IoT's thing groups and jobs: who belongs to a group, and how a group's deployment goes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tools.fleet.service_calls import ServiceCaller, UnknownResourceError

Json = dict[str, Any]
PAGE_SIZE = 250
KIND_ATTRIBUTE = "sightline-kind"  # of a thing group: whose roll-outs it belongs to


@dataclass(frozen=True)
class JobExecution:
    """A group's deployment on one of its things, as the IoT job has it."""

    status: str
    updated: datetime | None


class ThingGroupClient(ServiceCaller):
    """The iot operations that this tool uses."""

    def list_group_names(self, prefix: str) -> list[str]:
        """The names of all thing groups that begin like this."""
        found = self._pages("list_thing_groups", "thingGroups", PAGE_SIZE, namePrefixFilter=prefix)
        return [entry["groupName"] for entry in found]

    def find_kind(self, group: str) -> str:
        """The kind that a group was created for; empty if another tool created it."""
        answer = self._call("describe_thing_group", thingGroupName=group)
        properties = answer.get("thingGroupProperties") or {}
        attributes = (properties.get("attributePayload") or {}).get("attributes") or {}
        return str(attributes.get(KIND_ATTRIBUTE, ""))

    def list_members(self, group: str) -> frozenset[str]:
        """The things in a group."""
        return frozenset(
            self._pages("list_things_in_thing_group", "things", PAGE_SIZE, thingGroupName=group)
        )

    def create_group(self, request: Json) -> None:
        """Create a thing group."""
        self._call("create_thing_group", **request)

    def move(self, request: Json) -> None:
        """Let a thing join a group and leave others, in one request."""
        self._call("update_thing_groups_for_thing", **request)

    def remove(self, request: Json) -> None:
        """Take a thing out of a group."""
        self._call("remove_thing_from_thing_group", **request)

    def list_executions(self, job: str) -> dict[str, JobExecution]:
        """A job's execution on each thing that has one, by thing name."""
        pages = self._pages(
            "list_job_executions_for_job", "executionSummaries", PAGE_SIZE, jobId=job
        )
        return {
            entry["thingArn"].partition(":thing/")[2]: JobExecution(
                entry["jobExecutionSummary"]["status"],
                entry["jobExecutionSummary"].get("lastUpdatedAt"),
            )
            for entry in pages
        }

    def describe_job(self, job: str) -> Json:
        """A job: its status, and why it was aborted."""
        return dict(self._call("describe_job", jobId=job)["job"])

    def count_executions(self, job: str) -> dict[str, int]:
        """How many things ended a job how: Succeeded, Failed, TimedOut; empty if the job is gone."""
        try:
            details = self.describe_job(job).get("jobProcessDetails") or {}
        except UnknownResourceError:
            return {}
        return {
            key.removeprefix("numberOf").removesuffix("Things"): int(number)
            for key, number in details.items()
            if key.startswith("numberOf")
        }


def build_group_creation(group: str, kind: str) -> Json:
    """The CreateThingGroup request."""
    return {
        "thingGroupName": group,
        "thingGroupProperties": {"attributePayload": {"attributes": {KIND_ATTRIBUTE: kind}}},
    }


def build_move(thing: str, group: str, left: Iterable[str]) -> Json:
    """The UpdateThingGroupsForThing request: joins and leaves in one request."""
    request: Json = {"thingName": thing, "thingGroupsToAdd": [group]}
    return {**request, "thingGroupsToRemove": sorted(left)} if left else request


def build_removal(thing: str, group: str) -> Json:
    """The RemoveThingFromThingGroup request."""
    return {"thingGroupName": group, "thingName": thing}
