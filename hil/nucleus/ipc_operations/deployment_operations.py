"""The IPC operations for local deployments, their status, and components' consent to updates."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from hil.nucleus.configuration.configuration_store import ConfigurationStore
from hil.nucleus.dialects.dialect import Dialect
from hil.nucleus.ipc.ipc_messages import NAMESPACE
from hil.nucleus.ipc.operation_call import Json, OperationCall, OperationResult
from hil.nucleus.ipc_operations.authorization import CLI, check_authorized
from hil.nucleus.ipc_operations.operation_requests import OperationRequest, parse_request
from hil.nucleus.local_deployments.deployment_store import DeploymentRecord
from hil.nucleus.local_deployments.local_deployer import LocalDeployer
from hil.nucleus.nucleus_errors import ResourceNotFoundError
from hil.nucleus.recipe_files.deployment import ComponentConfigurationUpdate, DeploymentChange


class _RequestedUpdate(msgspec.Struct, frozen=True, rename="upper"):
    merge: Json = {}
    reset: list[str] = []


class CreateLocalDeployment(OperationRequest, frozen=True):
    """A request to change the deployment; `artifacts_directory_path` is a source tree here."""

    root_component_versions_to_add: dict[str, str] = msgspec.field(default_factory=dict)
    root_components_to_remove: list[str] = msgspec.field(default_factory=list)
    component_to_configuration: dict[str, _RequestedUpdate] = msgspec.field(default_factory=dict)
    recipe_directory_path: str | None = None
    artifacts_directory_path: str | None = None
    failure_handling_policy: Literal["ROLLBACK", "DO_NOTHING"] = "ROLLBACK"


class GetLocalDeploymentStatus(OperationRequest, frozen=True):
    """A request for the status of one deployment."""

    deployment_id: str


class DeferComponentUpdate(OperationRequest, frozen=True):
    """A component's answer to an update; 0 or None means consent."""

    deployment_id: str
    message: str | None = None
    recheck_after_ms: int = 0


class ValidityReport(OperationRequest, frozen=True):
    """A component's answer about a configuration."""

    status: Literal["ACCEPTED", "REJECTED"]
    deployment_id: str
    message: str | None = None


class SendConfigurationValidityReport(OperationRequest, frozen=True):
    """A request that carries a validity report."""

    configuration_validity_report: ValidityReport


class _DeploymentOperations:
    def __init__(self, deployer: LocalDeployer, store: ConfigurationStore) -> None:
        self._deployer = deployer
        self._store = store

    def create_deployment(self, call: OperationCall) -> OperationResult:
        request = parse_request(CreateLocalDeployment, call.body)
        self._check_authorized(call)
        updates = {
            name: ComponentConfigurationUpdate(update.merge, update.reset)
            for name, update in request.component_to_configuration.items()
        }
        change = DeploymentChange(
            versions=request.root_component_versions_to_add,
            removed=request.root_components_to_remove,
            updates=updates,
            recipes_folder=_optional_path(request.recipe_directory_path),
            source=_optional_path(request.artifacts_directory_path),
            rolls_back=request.failure_handling_policy == "ROLLBACK",
        )
        return {"deploymentId": self._deployer.submit(change)}

    def get_status(self, call: OperationCall) -> OperationResult:
        request = parse_request(GetLocalDeploymentStatus, call.body)
        self._check_authorized(call)
        for record in self._deployer.records.list_records():
            if record.deployment_id == request.deployment_id:
                return {"deployment": _to_ipc_record(record)}
        raise ResourceNotFoundError("Cannot find deployment.")

    def list_deployments(self, call: OperationCall) -> OperationResult:
        self._check_authorized(call)
        return {
            "localDeployments": [
                _to_ipc_record(record) for record in self._deployer.records.list_records()
            ]
        }

    def subscribe_to_updates(self, call: OperationCall) -> OperationResult:
        send = _event_sender(call, "ComponentUpdatePolicyEvents")
        call.keep_open(self._deployer.policy.listen_to_updates(call.component, send))
        return {}

    def defer(self, call: OperationCall) -> OperationResult:
        request = parse_request(DeferComponentUpdate, call.body)
        policy = self._deployer.policy
        policy.defer(call.component, request.deployment_id, request.recheck_after_ms)
        return {}

    def subscribe_to_validation(self, call: OperationCall) -> OperationResult:
        send = _event_sender(call, "ValidateConfigurationUpdateEvents")
        call.keep_open(self._deployer.policy.listen_to_configurations(call.component, send))
        return {}

    def report_validity(self, call: OperationCall) -> OperationResult:
        report = parse_request(
            SendConfigurationValidityReport, call.body
        ).configuration_validity_report
        words = report.message or "refused without a reason"
        accepted = report.status == "ACCEPTED"
        self._deployer.policy.report_validity(call.component, report.deployment_id, accepted, words)
        return {}

    def _check_authorized(self, call: OperationCall) -> None:
        policies = self._store.access_control(call.component)
        check_authorized(policies, CLI, NAMESPACE + call.operation, "*")


def build_deployment_operations(
    deployer: LocalDeployer, store: ConfigurationStore, dialect: Dialect
) -> Mapping[str, Callable[[OperationCall], OperationResult]]:
    """Build the operations, by name; Nucleus Lite has only the first one."""
    operations = _DeploymentOperations(deployer, store)
    found: dict[str, Callable[[OperationCall], OperationResult]] = {
        "CreateLocalDeployment": operations.create_deployment
    }
    if dialect.has_deployment_operations:
        found |= {
            "GetLocalDeploymentStatus": operations.get_status,
            "ListLocalDeployments": operations.list_deployments,
            "SubscribeToComponentUpdates": operations.subscribe_to_updates,
            "DeferComponentUpdate": operations.defer,
            "SubscribeToValidateConfigurationUpdates": operations.subscribe_to_validation,
            "SendConfigurationValidityReport": operations.report_validity,
        }
    return found


def _event_sender(call: OperationCall, model: str) -> Callable[[Json], None]:
    return lambda event: call.send_event(model, msgspec.json.encode(event))


def _optional_path(given: str | None) -> Path | None:
    return None if given is None else Path(given)


def _to_ipc_record(record: DeploymentRecord) -> dict[str, Any]:
    """Convert a record to its IPC form."""
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
