"""What a nucleus runs, and its settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloud.wire.broker_login import BrokerLogin
from hil.nucleus.cloud_bridge.iot_core_connection import MutualTls
from hil.nucleus.cloud_bridge.token_exchange import AwsCredentials
from hil.nucleus.dialects.dialect import Dialect
from hil.nucleus.nucleus_files.log_rotation import DEFAULT_LOG_LIMIT_BYTES
from hil.nucleus.recipe_files.deployment import Deployment
from hil.nucleus.recipe_files.recipe import ComponentRecipe

Json = dict[str, Any]


@dataclass(frozen=True)
class DeploymentTimeouts:
    """The timeouts of a deployment, in seconds."""

    validate_s: float = 20.0  # for a component's answer about its new configuration
    consent_s: float = 60.0  # for a component's answer to an update; silence is consent
    start_s: float = 60.0  # until all that is new runs
    steady_s: float = 5.0  # that it must have run without an error


@dataclass(frozen=True)
class NucleusPlan:
    """The nucleus's plan; `merges` are applied after the deployment's configuration."""

    root: Path
    recipes_folder: Path
    source: Path
    deployment: Deployment
    recipes: list[ComponentRecipe]
    merges: Mapping[str, Json]
    broker: tuple[str, int]
    thing_name: str
    dialect: Dialect
    log_limit_bytes: int = DEFAULT_LOG_LIMIT_BYTES
    timeouts: DeploymentTimeouts = field(default_factory=DeploymentTimeouts)
    given_digest: str = ""
    tls: MutualTls | None = None
    login: BrokerLogin | None = None
    credentials: AwsCredentials | None = None
    sources: Mapping[str, Path] = field(default_factory=dict)  # of components deployed later
