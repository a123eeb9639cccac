"""Takes new configurations, refuses wrong ones, and keeps the last good one on disk."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from sightline.configuration import ConfigurationStruct, find_old_keys, load_configuration
from sightline.errors import ConfigurationError
from sightline.kernel.health import ComponentHealth
from sightline.messaging.messages import FaultLevel
from sightline.old_keys import OldKey, describe_old_keys
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
    """Takes new configurations, refuses wrong ones, and keeps the last good one on disk."""

    def __init__(
        self, configuration_type: type[C], work_folder: Path, health: ComponentHealth
    ) -> None:
        self._type = configuration_type
        self._health = health
        self._last_good = DurableText(work_folder / "configuration.last-good.json")

    def load_first(self, values: dict[str, Any]) -> C:
        """The configuration to start with: the given one, else the last good one, else the error."""
        given = self.accept_if_valid(values)
        return self._load_last_good() if given is None else given

    def check(self, values: dict[str, Any]) -> str:
        """Why a configuration cannot be, in words; nothing if it can. It is not put into force."""
        try:
            load_configuration(self._type, values)
        except ConfigurationError as error:
            return str(error)
        return ""

    def accept_if_valid(self, values: dict[str, Any]) -> C | None:
        """The new configuration, or None if it is refused: the one in force then stays."""
        try:
            configuration = load_configuration(self._type, values)
        except ConfigurationError as error:
            log.error("configuration refused", extra={"error": str(error)})
            self._health.raise_fault("configuration-refused", str(error))
            return None
        self._health.clear_fault("configuration-refused")
        report_old_keys(self._health, find_old_keys(self._type, values))
        self._store_last_good(configuration)
        return configuration

    def _store_last_good(self, configuration: C) -> None:
        """For a later start with a wrong configuration; a disk that is full stops no component."""
        text = msgspec.json.encode(configuration).decode()
        try:
            if self._read_last_good() != text:
                self._last_good.store(text)
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
