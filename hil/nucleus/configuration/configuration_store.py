"""Stores each component's configuration on disk: values with the time of their last change."""

import copy
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from hil.nucleus.configuration.coalesced_saves import (
    TEMPORARY_PREFIX,
    AtomicFileWriter,
    CoalescedSaves,
)
from hil.nucleus.configuration.configuration_tree import (
    Json,
    KeyPath,
    check_same_kind,
    fill_defaults,
    find_value,
    is_same_leaf,
    list_changed_paths,
    list_leaves,
    mentions_path,
    merge_into,
    remove_at,
    undeclared_prefix,
)
from hil.nucleus.nucleus_errors import InvalidArgumentsError, ResourceNotFoundError, ServiceError
from hil.nucleus.nucleus_files.damaged_files import (
    ensure_file_path,
    ensure_folder,
    set_aside_damaged,
)

log = logging.getLogger(__name__)
ACCESS_CONTROL = "accessControl"
OLDEST_S = 0.0
MAX_LOGGED_CHANGES = 10
CANNOT_UPDATE = "Failed to update the configuration."


class _StoredConfiguration(msgspec.Struct):
    values: Json = {}
    deployed: Json = {}
    changed_at_s: dict[str, float] = {}


class ConfigurationWatch:
    """A watch on a key path; `notify` gets the component and the paths of changed leaves."""

    def __init__(
        self, component: str, path: KeyPath, notify: Callable[[str, KeyPath], None]
    ) -> None:
        self.component = component
        self.path = path
        self.notify = notify


class ConfigurationStore:
    """The configurations of all components, one JSON file each, replaced atomically."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        ensure_folder(self._folder)
        for unfinished in self._folder.glob(f"{TEMPORARY_PREFIX}*"):
            unfinished.unlink(missing_ok=True)
        self._components: dict[str, _StoredConfiguration] = {}
        self._watches: list[ConfigurationWatch] = []
        self._files = AtomicFileWriter()
        self._saves = CoalescedSaves(self._files)

    def apply_deployment(
        self, component: str, default: Json, merge: Json, at_s: float, reset: Sequence[str] = ()
    ) -> None:
        """Update a component's configuration from its recipe and deployment.

        What the component changed itself since stays, unless the deployment changed too. `reset`
        holds JSON pointers of what goes back to its default before the merge; "" is everything.
        """
        before = self._components.get(component)
        stored = self._load(component)
        stored = _apply_deployment(stored, default, merge, at_s, reset)
        self._log_own_changes(component, stored)
        self._components[component] = stored
        self._save(component)
        if before is not None:
            self._notify(component, list_changed_paths(before.values, stored.values))

    def preview_deployment(
        self, component: str, default: Json, merge: Json, reset: Sequence[str] = ()
    ) -> Json:
        """The configuration that `apply_deployment` would produce."""
        return _apply_deployment(self._load(component), default, merge, OLDEST_S, reset).values

    def remove(self, component: str) -> None:
        """Delete a component's configuration."""
        self._components.pop(component, None)
        self._files.remove(self._build_file_path(component))

    def snapshot(self) -> dict[str, bytes]:
        """A snapshot of all configurations, for `restore`."""
        return {name: msgspec.json.encode(stored) for name, stored in self._components.items()}

    def restore(self, snapshot: Mapping[str, bytes]) -> None:
        """Restore exactly a snapshot's configurations."""
        for component in set(self._components) - set(snapshot):
            self.remove(component)
        for component, content in snapshot.items():
            before = self._components.get(component, _StoredConfiguration())
            stored = msgspec.json.decode(content, type=_StoredConfiguration)
            self._components[component] = stored
            self._save(component)
            self._notify(component, list_changed_paths(before.values, stored.values))

    def access_control(self, component: str) -> Json:
        """The component's policies."""
        stored = self._components.get(component)
        policies = stored.values.get(ACCESS_CONTROL) if stored else None
        return policies if isinstance(policies, dict) else {}

    def value(self, component: str, path: KeyPath) -> Any:
        """The value at a key path; ResourceNotFoundError if there is none."""
        stored = self._components.get(component)
        if stored is None:
            raise ResourceNotFoundError("Key not found.")
        found: Any = stored.values
        for key in path:
            if not isinstance(found, dict) or key not in found:
                raise ResourceNotFoundError("Key not found.")
            found = found[key]
        return found

    def watch(
        self, component: str, path: KeyPath, notify: Callable[[str, KeyPath], None]
    ) -> Callable[[], None]:
        """Watch an existing key path; the returned function ends the watch."""
        try:
            self.value(component, path)
        except ResourceNotFoundError:
            raise ResourceNotFoundError("Key not found") from None  # without the full stop, as Lite
        watch = ConfigurationWatch(component, path, notify)
        self._watches.append(watch)
        return lambda: self._watches.remove(watch)

    async def update(self, component: str, path: KeyPath, value: Any, at_s: float) -> list[KeyPath]:
        """Merge a value at a key path; returns the changed leaves once they are on disk.

        Many updates at once share a write, which is not the event loop's. Leaves changed later than
        `at_s` stay. InvalidArgumentsError for accessControl, ServiceError where a map would take a
        scalar's place or the other way round.
        """
        if path[:1] == (ACCESS_CONTROL,) or (
            not path and isinstance(value, dict) and ACCESS_CONTROL in value
        ):
            raise InvalidArgumentsError(
                f"Config update is not allowed for following field [{ACCESS_CONTROL}]"
            )
        stored = self._components[component]
        given = list_leaves(path, value)
        try:
            for leaf, found in given:
                check_same_kind(stored.values, leaf, found)
        except ValueError as error:
            raise ServiceError(CANNOT_UPDATE) from error
        changed = [leaf for leaf, found in given if _store_leaf(stored, leaf, found, at_s)]
        if changed:
            try:
                await self._saves.save(
                    self._build_file_path(component), lambda: self._encode_stored(component)
                )
            except OSError as error:
                log.error("cannot store the configuration of %s: %s", component, error)
                raise ServiceError(CANNOT_UPDATE) from error
            self._notify(component, changed)
        return changed

    def _log_own_changes(self, component: str, stored: _StoredConfiguration) -> None:
        """Log what a component changed itself, since it may now refuse it."""
        own = ["/" + "/".join(path) for path in _list_own_changes(stored)[:MAX_LOGGED_CHANGES]]
        if not own:
            return
        log.warning(
            "%s changed its own configuration at %s, which persists over restarts. If the component "
            "refuses it, deploy it with reset %s, or stop the nucleus and delete %s",
            *(component, ", ".join(own), json.dumps(own), self._build_file_path(component)),
        )

    def _notify(self, component: str, changed: Sequence[KeyPath]) -> None:
        for leaf in changed:
            for watch in tuple(self._watches):
                if watch.component == component and leaf[: len(watch.path)] == watch.path:
                    watch.notify(component, leaf)

    def _load(self, component: str) -> _StoredConfiguration:
        path = self._build_file_path(component)
        ensure_file_path(path)
        try:
            return _decode_stored(path.read_bytes())
        except FileNotFoundError:
            return _StoredConfiguration()
        except (OSError, ValueError, RecursionError) as error:
            instead = (
                f"{component} gets its recipe's defaults and its latest deployed configuration."
            )
            set_aside_damaged(path, error, instead)
            return _StoredConfiguration()

    def _save(self, component: str) -> None:
        path = self._build_file_path(component)
        content = msgspec.json.encode(self._components[component])
        self._files.write(path, content, self._files.next_version(path))

    def _encode_stored(self, component: str) -> bytes | None:
        stored = self._components.get(component)
        return None if stored is None else msgspec.json.encode(stored)

    def _build_file_path(self, component: str) -> Path:
        return self._folder / f"{component}.json"


def _decode_stored(content: bytes) -> _StoredConfiguration:
    """Decode a stored file; ValueError or RecursionError if it is damaged."""
    stored = msgspec.json.decode(content, type=_StoredConfiguration)
    for key in stored.changed_at_s:
        msgspec.json.decode(key, type=KeyPath)
    list_leaves((), stored.values)  # what is nested too deeply is found now, and not in use
    copy.deepcopy(stored.deployed)
    return stored


def _apply_deployment(
    stored: _StoredConfiguration, default: Json, merge: Json, at_s: float, reset: Sequence[str]
) -> _StoredConfiguration:
    """Apply a recipe and a deployment to the stored values, in place."""
    deployed = {"merge": merge, "reset": list(reset)}
    if deployed != stored.deployed:
        _drop_undeclared_changes(stored, default, merge)
        for pointer in reset:
            remove_at(stored.values, pointer.split("/")[1:])
    fill_defaults(stored.values, default)
    if deployed != stored.deployed:
        merge_into(stored.values, merge)
        stored.deployed = copy.deepcopy(deployed)
        stored.changed_at_s = {
            key: changed
            for key, changed in stored.changed_at_s.items()
            if not mentions_path(merge, msgspec.json.decode(key))
        }
        stored.changed_at_s[_path_key(())] = at_s
    policies = copy.deepcopy(default.get(ACCESS_CONTROL) or {})
    merge_into(policies, merge.get(ACCESS_CONTROL) or {})
    if policies or ACCESS_CONTROL in stored.values:
        stored.values[ACCESS_CONTROL] = policies
    return stored


def _list_own_changes(stored: _StoredConfiguration) -> list[KeyPath]:
    """The paths that the component changed itself."""
    paths = [tuple(msgspec.json.decode(key, type=list[str])) for key in stored.changed_at_s]
    return [path for path in paths if path]


def _drop_undeclared_changes(stored: _StoredConfiguration, default: Json, merge: Json) -> None:
    """Remove values set by the component that neither its recipe nor the deployment declares.

    The nuclei of production keep that, too, over deployments; here it would keep a component from
    starting in one run after the other.
    """
    declared = copy.deepcopy(default)
    merge_into(declared, merge)
    for path in _list_own_changes(stored):
        strange = undeclared_prefix(declared, path, find_value(stored.values, path))
        if strange:
            place = "/" + "/".join(strange)
            log.warning(
                "values at %s that a component set itself are removed by this deployment", place
            )
            remove_at(stored.values, strange)
            stored.changed_at_s.pop(_path_key(path), None)


def _path_key(path: KeyPath) -> str:
    return msgspec.json.encode(path).decode()


def _store_leaf(stored: _StoredConfiguration, leaf: KeyPath, value: Any, at_s: float) -> bool:
    holder = stored.values
    for key in leaf[:-1]:
        holder = holder.setdefault(key, {})
    if not leaf or (value == {} and isinstance(value, dict) and leaf[-1] in holder):
        return False
    last_s = max(
        stored.changed_at_s.get(_path_key(leaf[:length]), OLDEST_S)
        for length in range(len(leaf) + 1)
    )
    if leaf[-1] in holder and at_s < last_s:
        return False
    stored.changed_at_s[_path_key(leaf)] = at_s
    if leaf[-1] in holder and is_same_leaf(holder[leaf[-1]], value):
        return False
    holder[leaf[-1]] = value
    return True
