"""What a nucleus is to run, and with what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hil.nucleus.deployments import Deployment
from hil.nucleus.dialect import Dialect
from hil.nucleus.iot_core import MutualTls
from hil.nucleus.log_rotation import DEFAULT_LIMIT_BYTES
from hil.nucleus.recipes import Recipe
from hil.nucleus.token_exchange import Credentials

Json = dict[str, Any]


@dataclass(frozen=True)
class DeploymentTimes:
    """How long a deployment waits, in seconds."""

    validate_s: float = 20.0  # for a component's word on its new configuration
    consent_s: float = 60.0  # for a component's word on an update; silence is consent
    come_up_s: float = 60.0  # until all that is new runs
    steady_s: float = 5.0  # that it must have run without an error


@dataclass(frozen=True)
class Plan:
    """What to run and with what; `merges` come after the deployment's own."""

    root: Path
    recipes_folder: Path
    source: Path
    deployment: Deployment
    recipes: list[Recipe]
    merges: Mapping[str, Json]
    broker: tuple[str, int]
    thing_name: str
    dialect: Dialect
    log_limit_bytes: int = DEFAULT_LIMIT_BYTES
    times: DeploymentTimes = field(default_factory=DeploymentTimes)
    given_digest: str = ""
    tls: MutualTls | None = None
    credentials: Credentials | None = None
    sources: Mapping[str, Path] = field(default_factory=dict)  # of components deployed later
