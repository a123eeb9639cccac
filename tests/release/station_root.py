"""A machine such as a nucleus leaves to components: no network, no rights, no packages, an empty root."""

import os
import platform
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

NOBODY = 65534
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INSTALL_LIMIT_S = 300  # all at once on a loaded machine; the recipes allow 600
RUN_LIMIT_S = 60
_VARIABLE = re.compile(r"\{([A-Za-z]+:[^{}\s]+)\}")
Json = dict[str, Any]


@dataclass(frozen=True)
class ScriptResult:
    """A script that has ended: its exit code and what it said."""

    code: int
    said: str


@dataclass
class StationRoot:
    """One root folder; artifacts are unpacked as a nucleus does, and belong to another user."""

    root: Path
    configurations: dict[str, Json] = field(default_factory=dict)

    @classmethod
    def make(cls) -> "StationRoot":
        """An empty one that the components' user may look into."""
        root = Path(tempfile.mkdtemp(prefix="sightline-release-"))
        root.chmod(0o755)
        station = cls(root)
        station.folder.mkdir()
        _hand_over(station.folder)
        return station

    @property
    def folder(self) -> Path:
        """What the recipes call stationFolder; on a real station somebody has made it for the user."""
        return self.root / "station"

    def remove(self) -> None:
        """All of it."""
        shutil.rmtree(self.root, ignore_errors=True)

    def work(self, name: str) -> Path:
        """A component's work folder."""
        return self.root / "work" / name

    def unpack(self, name: str, artifact: Path) -> None:
        """The artifact's files, without a right to execute or to change them; and the work folder."""
        target = self.unpacked(name) / artifact.stem
        with zipfile.ZipFile(artifact) as packed:
            packed.extractall(target)
        for path in (target, *target.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        self.work(name).mkdir(parents=True, exist_ok=True)
        _hand_over(self.work(name))

    def step(
        self, name: str, recipe: Json, step: str, limit_s: float = INSTALL_LIMIT_S
    ) -> ScriptResult:
        """Carry out one step of the recipe, as written there."""
        script = self.script(name, recipe, step)
        return self.run(["sh", "-c", script], self.work(name), limit_s)

    def script(self, name: str, recipe: Json, step: str) -> str:
        """The step's script with its variables filled in; KeyError where one is not known."""
        (manifest,) = recipe["Manifests"]
        return _VARIABLE.sub(
            lambda found: self._value(name, recipe, found[1]), manifest["Lifecycle"][step]["Script"]
        )

    def run(
        self, words: Sequence[str], folder: Path, limit_s: float = RUN_LIMIT_S, **more: str
    ) -> ScriptResult:
        """A command as the components' user, without a network and without this machine's environment."""
        environment = {"PATH": PATH, "HOME": "/nonexistent", "LANG": "C.UTF-8", **more}
        done = subprocess.run(
            [*_confined(), *words],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=limit_s,
            check=False,
        )
        return ScriptResult(done.returncode, done.stdout)

    def unpacked(self, name: str) -> Path:
        """The folder in which the component's artifacts lie, each in one of its own."""
        return self.root / "packages" / "artifacts-unarchived" / name

    def _value(self, name: str, recipe: Json, variable: str) -> str:
        kind, _, rest = variable.partition(":")
        if kind == "configuration":
            values: Mapping[str, Any] = {
                **recipe["ComponentConfiguration"]["DefaultConfiguration"],
                "stationFolder": str(self.folder),
            }
            return str(values[rest.removeprefix("/")])
        return {
            "artifacts:decompressedPath": str(self.unpacked(name)),
            "work:path": str(self.work(name)),
            "kernel:rootPath": str(self.root),
            "iot:thingName": "station-1",
        }[variable]


def read_recipe(path: Path) -> Json:
    """A staged recipe."""
    found: Json = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def machine() -> str:
    """`x86_64` or `aarch64`, as the staging calls it."""
    return {"arm64": "aarch64"}.get(platform.machine(), platform.machine())


def python_of_station() -> str:
    """`3.11`: the Python that the components' user finds here."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = StationRoot(Path("/")).run(["python3", "-c", code], Path("/"))
    assert done.code == 0, done.said
    return done.said.strip()


def _confined() -> list[str]:
    """Words before a command that take its network and its rights away."""
    if os.getuid() != 0:
        return ["unshare", "--user", "--net", "--"]
    rights = ["--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--no-new-privs"]
    return ["unshare", "--net", "--", "setpriv", *rights, "--"]


def _hand_over(folder: Path) -> None:
    if os.getuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
