"""Takes new configurations, refuses wrong ones, and keeps the last good one on disk."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from sightline.configuration import (
    ConfigurationStruct,
    find_old_keys,
    find_value_at,
    load_configuration,
    remove_greengrass_keys,
)
from sightline.errors import ConfigurationError
from sightline.kernel.health import ComponentHealth
from sightline.kernel.station_settings import (
    FOLDER_KEY,
    SETTINGS_FAULT,
    SettingsNotThereError,
    StationSettings,
    merge_maps,
)
from sightline.messaging.messages import FaultLevel
from sightline.old_keys import OldKey, describe_old_keys, find_as_written, rename_old_keys
from sightline.storage.journal import DurableText

log = logging.getLogger(__name__)
CONFIGURATION_NOT_STORED_FAULT = "configuration-not-kept"
OLD_KEYS_FAULT = "configuration-old-keys"
MAX_DESCRIBED_CHARACTERS = 230  # a fault has 500
RESET_OLD_KEYS = (
    "In one deployment, reset the old pointers (of a key in a list, the list's) and merge the values under "
    "the new keys: docs/upgrading.md."
)

C = TypeVar("C", bound=ConfigurationStruct)


class LastGoodConfiguration(Generic[C]):
    """Takes new configurations, refuses wrong ones, and keeps the last good one on disk.

    What Greengrass says is merged with what the station has of its own, and checked as one.
    """

    def __init__(
        self, configuration_type: type[C], work_folder: Path, health: ComponentHealth
    ) -> None:
        self._type = configuration_type
        self._health = health
        self._last_good = DurableText(work_folder / "configuration.last-good.json")
        self._settings = StationSettings(health.component, health.station_id, work_folder, health)

    def load_first(self, values: dict[str, Any]) -> C:
        """The configuration to start with: the given one, else the last good one, else the error.

        SettingsNotThereError where the station's own settings have to come first.
        """
        try:
            given = self._accept(values)
        except SettingsNotThereError as error:
            if self._read_last_good() is None:
                raise
            self._report_missing_settings(error)
            given = None
        return self._load_last_good() if given is None else given

    def settings_changed(self) -> bool:
        """Whether the station's own settings are to be read again."""
        return self._settings.has_changed()

    def check(self, values: dict[str, Any]) -> str:
        """Why a configuration cannot be, in words; nothing if it can. It is not put into force.

        Settings that a deployment brings along come later: a configuration that is whole without the
        present ones is not refused because of them.
        """
        try:
            self._combine(values, self._settings.peek(values))
        except ConfigurationError as error:
            return "" if self._is_whole(values) else str(error)
        return ""

    def accept_if_valid(self, values: dict[str, Any]) -> C | None:
        """The new configuration, or None if it is refused: the one in force then stays."""
        try:
            return self._accept(values)
        except SettingsNotThereError as error:
            self._report_missing_settings(error)
            return None

    def _report_missing_settings(self, error: SettingsNotThereError) -> None:
        text = f"{error} Until then the last good configuration is in force."
        if self._health.raise_fault(SETTINGS_FAULT, text):
            log.error("the station's settings are missing", extra={"error": str(error)})

    def _accept(self, values: dict[str, Any]) -> C | None:
        own = self._settings.find_own(values)
        try:
            configuration, old_keys = self._combine(values, own)
        except ConfigurationError as error:
            text = self._explain_source(error, values, own)
            log.error("configuration refused", extra={"error": text})
            self._health.raise_fault("configuration-refused", text)
            return None
        self._health.clear_fault("configuration-refused")
        report_old_keys(self._health, old_keys)
        self._store_last_good(configuration)
        return configuration

    def _combine(self, values: dict[str, Any], own: dict[str, Any]) -> tuple[C, list[OldKey]]:
        """What both say together, and the old keys in both; a key's old and new name are one key."""
        base, old_keys = rename_old_keys(remove_greengrass_keys(values), self._type.OLD_KEYS)
        if not own:
            return load_configuration(self._type, values), old_keys
        renamed, own_old_keys = rename_old_keys(own, self._type.OLD_KEYS)
        if own.get(FOLDER_KEY, base.get(FOLDER_KEY)) != base.get(FOLDER_KEY):
            raise ConfigurationError(
                f"{self._type.__name__} at /{FOLDER_KEY}: found {own[FOLDER_KEY]!r}; no station has a folder "
                "of its own, for its settings lie there",
                f"/{FOLDER_KEY}",
            )
        merged = load_configuration(self._type, merge_maps(base, renamed))
        return merged, [*old_keys, *own_old_keys]

    def _explain_source(
        self, error: ConfigurationError, values: dict[str, Any], own: dict[str, Any]
    ) -> str:
        """The refusal, and whether the refused value is the station's own."""
        renamed, old_keys = rename_old_keys(own, self._type.OLD_KEYS)
        found = find_value_at(renamed, error.pointer) if own else None
        if found is None or (isinstance(found, dict) and not self._is_whole(values)):
            return str(error)
        written = find_as_written(error.pointer, old_keys)
        name = f", as {written}" if written != error.pointer else ""
        return f"{error}. It comes from the station's own settings{name}: {self._settings.file}"

    def _is_whole(self, values: dict[str, Any]) -> bool:
        try:
            load_configuration(self._type, values)
        except ConfigurationError:
            return False
        return True

    def _store_last_good(self, configuration: C) -> None:
        """For a later start with a wrong configuration; a disk that is full stops no component."""
        text = msgspec.json.encode(configuration).decode()
        try:
            if self._read_last_good() != text:
                self._last_good.store(text)
            self._settings.store_last_good()
        except OSError as error:
            reason = (
                f"Cannot store this configuration as the last good one: {error}. After a restart with "
                "a refused configuration an older one is in force."
            )
            if self._health.raise_fault(CONFIGURATION_NOT_STORED_FAULT, reason, "warning"):
                log.error("configuration not stored", extra={"error": str(error)})
        else:
            self._health.clear_fault(CONFIGURATION_NOT_STORED_FAULT)

    def _read_last_good(self) -> str | None:
        try:
            return self._last_good.load()
        except (OSError, UnicodeDecodeError) as error:
            log.error("the last good configuration is not readable", extra={"error": str(error)})
            return None

    def _load_last_good(self) -> C:
        """The last good configuration; ConfigurationError if there is none."""
        text = self._read_last_good()
        if text is None:
            raise ConfigurationError(
                "the configuration is refused and there is no earlier good one"
            )
        try:
            values = msgspec.json.decode(text, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError) as error:
            raise ConfigurationError(
                f"the configuration is refused and the last good one is damaged: {error}"
            ) from error
        configuration = load_configuration(self._type, values)
        report_old_keys(self._health, find_old_keys(self._type, values))
        return configuration


def report_old_keys(
    health: ComponentHealth, found: Sequence[OldKey], what_to_do: str = RESET_OLD_KEYS
) -> None:
    """A fault where old and new keys stand side by side, a warning where there are old ones only."""
    if not found:
        if health.clear_fault(OLD_KEYS_FAULT):
            log.info("no old configuration keys any more")
        return
    keys = describe_old_keys(found, MAX_DESCRIBED_CHARACTERS)
    if any(key.both_given for key in found):
        level: FaultLevel = "fault"
        text = f"Old and new configuration keys are both set: {keys}. {what_to_do}"
    else:
        level = "warning"
        text = f"Only this release reads these old configuration keys: {keys}. {what_to_do}"
    if health.raise_fault(OLD_KEYS_FAULT, text, level):
        log.warning(
            "old configuration keys",
            extra={"keys": [str(key) for key in found], "reset": sorted({k.reset for k in found})},
        )
