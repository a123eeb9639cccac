"""The operations of the local IPC that make deployments, tell of them, and ask components about them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from hil.nucleus.authorization import CLI, demand
from hil.nucleus.call import Answer, Call, Json
from hil.nucleus.configuration_store import ConfigurationStore
from hil.nucleus.deployer import Deployer
from hil.nucleus.deployment_records import Record
from hil.nucleus.deployments import Change, ConfigurationUpdate
from hil.nucleus.dialect import Dialect
from hil.nucleus.errors import ResourceNotFoundError
from hil.nucleus.requests import Request, read
from hil.nucleus.wire import NAMESPACE


class _Update(msgspec.Struct, frozen=True, rename="upper"):
    merge: Json = {}
    reset: list[str] = []


class CreateLocalDeployment(Request, frozen=True):
    """A change of what is deployed; `artifacts_directory_path` is a source tree here."""

    root_component_versions_to_add: dict[str, str] = msgspec.field(default_factory=dict)
    root_components_to_remove: list[str] = msgspec.field(default_factory=list)
    component_to_configuration: dict[str, _Update] = msgspec.field(default_factory=dict)
    recipe_directory_path: str | None = None
    artifacts_directory_path: str | None = None
    failure_handling_policy: Literal["ROLLBACK", "DO_NOTHING"] = "ROLLBACK"


class GetLocalDeploymentStatus(Request, frozen=True):
    """A look at one deployment."""

    deployment_id: str


class DeferComponentUpdate(Request, frozen=True):
    """A component's word on an update; 0 or nothing is consent."""

    deployment_id: str
    message: str | None = None
    recheck_after_ms: int = 0


class ValidityReport(Request, frozen=True):
    """A component's word on a configuration."""

    status: Literal["ACCEPTED", "REJECTED"]
    deployment_id: str
    message: str | None = None


class SendConfigurationValidityReport(Request, frozen=True):
    """The report in its envelope."""

    configuration_validity_report: ValidityReport


class _Operations:
    def __init__(self, deployer: Deployer, store: ConfigurationStore) -> None:
        self._deployer = deployer
        self._store = store

    def create(self, call: Call) -> Answer:
        request = read(CreateLocalDeployment, call.body)
        self._demand(call)
        updates = {
            name: ConfigurationUpdate(update.merge, update.reset)
            for name, update in request.component_to_configuration.items()
        }
        change = Change(
            versions=request.root_component_versions_to_add,
            removed=request.root_components_to_remove,
            updates=updates,
            recipes_folder=_path(request.recipe_directory_path),
            source=_path(request.artifacts_directory_path),
            rolls_back=request.failure_handling_policy == "ROLLBACK",
        )
        return {"deploymentId": self._deployer.submit(change)}

    def status(self, call: Call) -> Answer:
        request = read(GetLocalDeploymentStatus, call.body)
        self._demand(call)
        for record in self._deployer.records.all():
            if record.deployment_id == request.deployment_id:
                return {"deployment": _told(record)}
        raise ResourceNotFoundError("Cannot find deployment.")

    def list(self, call: Call) -> Answer:
        self._demand(call)
        return {"localDeployments": [_told(record) for record in self._deployer.records.all()]}

    def subscribe_to_updates(self, call: Call) -> Answer:
        send = _sender(call, "ComponentUpdatePolicyEvents")
        call.keep_open(self._deployer.policy.listen_to_updates(call.component, send))
        return {}

    def defer(self, call: Call) -> Answer:
        request = read(DeferComponentUpdate, call.body)
        policy = self._deployer.policy
        policy.defer(call.component, request.deployment_id, request.recheck_after_ms)
        return {}

    def subscribe_to_validation(self, call: Call) -> Answer:
        send = _sender(call, "ValidateConfigurationUpdateEvents")
        call.keep_open(self._deployer.policy.listen_to_configurations(call.component, send))
        return {}

    def report_validity(self, call: Call) -> Answer:
        report = read(SendConfigurationValidityReport, call.body).configuration_validity_report
        words = report.message or "refused without a word"
        accepted = report.status == "ACCEPTED"
        self._deployer.policy.report(call.component, report.deployment_id, accepted, words)
        return {}

    def _demand(self, call: Call) -> None:
        policies = self._store.access_control(call.component)
        demand(policies, CLI, NAMESPACE + call.operation, "*")


def deployment_operations(
    deployer: Deployer, store: ConfigurationStore, dialect: Dialect
) -> Mapping[str, Callable[[Call], Answer]]:
    """The operations by name; Nucleus Lite has the first one only."""
    operations = _Operations(deployer, store)
    found: dict[str, Callable[[Call], Answer]] = {"CreateLocalDeployment": operations.create}
    if dialect.tells_of_deployments:
        found |= {
            "GetLocalDeploymentStatus": operations.status,
            "ListLocalDeployments": operations.list,
            "SubscribeToComponentUpdates": operations.subscribe_to_updates,
            "DeferComponentUpdate": operations.defer,
            "SubscribeToValidateConfigurationUpdates": operations.subscribe_to_validation,
            "SendConfigurationValidityReport": operations.report_validity,
        }
    return found


def _sender(call: Call, model: str) -> Callable[[Json], None]:
    return lambda event: call.send_event(model, msgspec.json.encode(event))


def _path(given: str | None) -> Path | None:
    return None if given is None else Path(given)


def _told(record: Record) -> dict[str, Any]:
    """A record as the IPC tells it."""
    status = "FAILED" if record.progress.startswith("FAILED") else record.progress
    told: dict[str, Any] = {
        "deploymentId": record.deployment_id,
        "status": "SUCCEEDED" if status == "SUCCESSFUL" else status,
        "createdOn": record.created_on,
    }
    if record.is_over:
        told["deploymentStatusDetails"] = {
            "detailedDeploymentStatus": record.progress,
            "deploymentErrorStack": record.causes,
            "deploymentFailureCause": "; ".join(record.causes),
        }
    return told
