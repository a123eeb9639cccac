"""The environment of a component's scripts: folders, variables and recipe variables."""

import base64
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hil.nucleus.component_runtime.component_lifecycle import ScriptEnvironment
from hil.nucleus.configuration.configuration_store import ConfigurationStore
from hil.nucleus.dialects.dialect import Dialect
from hil.nucleus.nucleus_errors import ResourceNotFoundError
from hil.nucleus.nucleus_files.damaged_files import ensure_folder
from hil.nucleus.recipe_files.recipe import ComponentRecipe, to_script_text

TOKEN_BYTES = 12
REGION = "us-east-1"
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "USER")
INHERITED_PREFIXES = ("SIGHTLINE_", "OMP_", "OPENBLAS_")


@dataclass(frozen=True)
class NucleusFolders:
    """The nucleus's folders under its root."""

    root: Path

    def work(self, component: str) -> Path:
        """The component's work folder."""
        return self.root / "work" / component

    def log_file(self, component: str) -> Path:
        """The log of the component's scripts."""
        return self.logs / f"{component}.log"

    def marker(self, component: str) -> Path:
        """The file that records which version's install step succeeded."""
        return self.root / "installed" / component

    def artifacts(self, recipe: ComponentRecipe) -> Path:
        """The downloaded artifacts."""
        return self.root / "artifacts" / recipe.component_name / recipe.component_version

    def unarchived(self, recipe: ComponentRecipe) -> Path:
        """The unpacked artifacts."""
        parts = (recipe.component_name, recipe.component_version)
        return self.root.joinpath("artifacts-unarchived", *parts)

    @property
    def logs(self) -> Path:
        """The folder of all components' logs."""
        return self.root / "logs"

    @property
    def configuration(self) -> Path:
        """The configuration store's folder."""
        return self.root / "configuration"

    def create_folders(self) -> None:
        """Create the folders that are written to."""
        for name in ("work", "logs", "installed", "configuration", "artifacts-unarchived"):
            ensure_folder(self.root / name)

    def prepare_unarchived(self, recipe: ComponentRecipe) -> None:
        """Set aside anything in place of the folder of unpacked artifacts."""
        ensure_folder(self.unarchived(recipe), levels=2)


def generate_token() -> str:
    """A component's SVCUID: 16 characters of base64."""
    return base64.b64encode(secrets.token_bytes(TOKEN_BYTES)).decode()


def build_script_environment(
    recipe: ComponentRecipe,
    folders: NucleusFolders,
    store: ConfigurationStore,
    thing_name: str,
    environment: dict[str, str],
    content_digest: str,
) -> ScriptEnvironment:
    """Build the script environment of a component's lifecycle."""
    name = recipe.component_name
    return ScriptEnvironment(
        work_folder=folders.work(name),
        log_file=folders.log_file(name),
        marker=folders.marker(name),
        environment=environment,
        variables=_build_variable_lookup(recipe, folders, store, thing_name),
        content_digest=content_digest,
    )


def build_process_environment(
    socket: Path, token: str, thing_name: str, dialect: Dialect, python: str
) -> dict[str, str]:
    """Build the component's environment variables; `python` is used unless SIGHTLINE_PYTHON is set."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in INHERITED or name.startswith(INHERITED_PREFIXES)
    }
    return {
        "SIGHTLINE_PYTHON": python,
        **inherited,
        "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": str(socket),
        "SVCUID": token,
        "AWS_IOT_THING_NAME": thing_name,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "GGC_VERSION": dialect.version,
    }


def _build_variable_lookup(
    recipe: ComponentRecipe, folders: NucleusFolders, store: ConfigurationStore, thing_name: str
) -> Callable[[str], str | None]:
    fixed = {
        "artifacts:path": str(folders.artifacts(recipe)),
        "artifacts:decompressedPath": str(folders.unarchived(recipe)),
        "work:path": str(folders.work(recipe.component_name)),
        "kernel:rootPath": str(folders.root),
        "iot:thingName": thing_name,
    }

    def value(variable: str) -> str | None:
        kind, _, pointer = variable.partition(":")
        if kind != "configuration":
            return fixed.get(variable)
        path = tuple(step for step in pointer.split("/")[1:] if step)
        try:
            return to_script_text(store.value(recipe.component_name, path))
        except ResourceNotFoundError:
            return None

    return value
