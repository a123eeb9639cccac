"""Stores deployments on disk: the one in force, the outcome of each, and a rollback copy."""

import logging
import shutil
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

import msgspec

from hil.nucleus.nucleus_files.damaged_files import (
    ensure_file_path,
    ensure_folder,
    set_aside_damaged,
)
from hil.nucleus.recipe_files.deployment import Deployment
from hil.nucleus.recipe_files.recipe import ComponentRecipe, load_recipes
from sightline.errors import RecipeError
from sightline.strict_yaml import read_yaml

log = logging.getLogger(__name__)
DeploymentProgress = Literal[
    "QUEUED",
    "IN_PROGRESS",
    "SUCCESSFUL",
    "FAILED_NO_STATE_CHANGE",
    "FAILED_ROLLBACK_NOT_REQUESTED",
    "FAILED_ROLLBACK_COMPLETE",
]
MAX_DEPLOYMENT_RECORDS = 50


class DeploymentRecord(msgspec.Struct, rename="camel"):
    """A deployment's progress; `causes` explain a failure."""

    deployment_id: str
    created_on: str
    progress: DeploymentProgress = "QUEUED"
    causes: list[str] = []

    @property
    def is_over(self) -> bool:
        """Whether the deployment has ended."""
        return self.progress not in ("QUEUED", "IN_PROGRESS")


class DeploymentInForce(msgspec.Struct, rename="camel"):
    """The latest successful deployment, and the digest of the given deployment before it."""

    given_digest: str
    deployment: Deployment
    sources: dict[str, str] = {}


class DeploymentStore:
    """The files under the nucleus's root."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.recipes_folder = root / "recipes"
        ensure_folder(self.recipes_folder)
        self._records: dict[str, DeploymentRecord] = {}

    def add_record(self) -> DeploymentRecord:
        """Add the record of a deployment that starts now."""
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        record = DeploymentRecord(str(uuid.uuid4()), now)
        self._records[record.deployment_id] = record
        while len(self._records) > MAX_DEPLOYMENT_RECORDS:
            del self._records[next(iter(self._records))]
        self._write()
        return record

    def update_progress(
        self, record: DeploymentRecord, progress: DeploymentProgress, causes: Sequence[str] = ()
    ) -> None:
        """Update a record's progress."""
        record.progress, record.causes = progress, list(causes)
        self._write()

    def list_records(self) -> list[DeploymentRecord]:
        """All records, oldest first."""
        return list(self._records.values())

    def store_deployment(
        self, deployment: Deployment, sources: Mapping[str, Path], given_digest: str
    ) -> None:
        """Store the deployment for the nucleus's next start."""
        paths = {name: str(path) for name, path in sources.items()}
        content = msgspec.json.encode(DeploymentInForce(given_digest, deployment, paths))
        _replace_file(_in_force_path(self._root), content)

    def store_recipes(self, folder: Path, recipes: Iterable[ComponentRecipe]) -> None:
        """Copy the recipes that are in a folder."""
        wanted = {(recipe.component_name, recipe.component_version) for recipe in recipes}
        for path in folder.glob("*.yaml"):
            content = read_yaml(path)
            name, version = content["ComponentName"], str(content["ComponentVersion"])
            if (name, version) in wanted:
                shutil.copyfile(path, self.recipes_folder / f"{name}-{version}.yaml")

    def begin_rollback_copy(self) -> None:
        """Copy the configurations for a rollback."""
        copy, unfinished = self._rollback_copy, self._root / "configuration-before.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(self._configuration_folder, unfinished)
        shutil.rmtree(copy, ignore_errors=True)
        unfinished.replace(copy)

    def end_rollback_copy(self, restore: bool) -> None:
        """Delete the copy, or restore the configurations from it; does nothing without a copy."""
        if not self._rollback_copy.exists():
            return
        try:
            if restore:
                shutil.copytree(self._rollback_copy, self._configuration_folder, dirs_exist_ok=True)
            shutil.rmtree(self._rollback_copy)
        except (OSError, shutil.Error) as error:
            set_aside_damaged(self._rollback_copy, error, "The configurations are unchanged.")

    @property
    def _rollback_copy(self) -> Path:
        return self._root / "configuration-before"

    @property
    def _configuration_folder(self) -> Path:
        return self._root / "configuration"

    def _write(self) -> None:
        path = deployment_records_path(self._root)
        try:
            ensure_file_path(path)
            _replace_file(path, msgspec.json.encode(self._records))
        except OSError as error:
            log.error("cannot write %s: %s; deployments continue", path, error)


def load_stored_recipes(
    folder: Path, typed_scalars: bool
) -> dict[tuple[str, str], ComponentRecipe]:
    """Load the recipes of earlier deployments; damaged ones are set aside."""

    def put(path: Path, error: RecipeError) -> None:
        set_aside_damaged(path, error, "A deployment that needs this recipe must include it again.")

    return load_recipes(folder, typed_scalars, put)


def deployment_records_path(root: Path) -> Path:
    """The path of the records: `{deploymentId: record}`."""
    return root / "deployments.json"


def load_deployment_records(root: Path) -> dict[str, DeploymentRecord]:
    """Load a nucleus's records by deployment id; FileNotFoundError, RecipeError."""
    path = deployment_records_path(root)
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, DeploymentRecord])
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{path}: cannot be read: {error}") from error


def load_deployment_in_force(root: Path) -> DeploymentInForce | None:
    """Load the latest successful deployment; None if there is none, damaged files are set aside."""
    path = _in_force_path(root)
    try:
        return msgspec.json.decode(path.read_bytes(), type=DeploymentInForce)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        set_aside_damaged(path, error, "The deployment from the command line is used.")
        return None


def _in_force_path(root: Path) -> Path:
    return root / "deployed.json"


def _replace_file(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}")
    temporary.write_bytes(content)
    temporary.replace(path)
