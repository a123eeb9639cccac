"""What a station has of its own, laid over what Greengrass says of a component.

The file is read anew when it changed. What cannot be used is a fault, and the last good settings stay: they
lie in the component's work folder.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sightline.errors import ConfigurationError
from sightline.kernel.health import ComponentHealth
from sightline.storage.journal import DurableText
from sightline.storage.settings_store import (
    SettingsFile,
    decode_settings,
    encode_settings,
    load_settings,
    station_file,
)
from sightline.storage.station_folder import DEFAULT_STATION_FOLDER

log = logging.getLogger(__name__)
SETTINGS_FAULT = "station-settings"
LAST_GOOD_FILE = "settings.last-good.json"
FOLDER_KEY = "stationFolder"
VERSION_KEY = "settingsVersion"
Json = dict[str, Any]
_Signature = tuple[int, int, int] | None  # inode, time of the last change, size


class SettingsNotThereError(ConfigurationError):
    """A station's own settings are needed and cannot be had now; they may come."""


def merge_maps(base: Any, change: Any) -> Any:
    """Merge as a nucleus does: maps key by key, everything else is replaced."""
    if isinstance(base, Mapping) and isinstance(change, Mapping):
        return {**base, **{key: merge_maps(base.get(key), value) for key, value in change.items()}}
    return change


class StationSettings:
    """One component's part of the station's settings."""

    def __init__(
        self, component: str, thing: str, work_folder: Path, health: ComponentHealth
    ) -> None:
        self._component = component
        self._thing = thing
        self._health = health
        self._last_good = DurableText(work_folder / LAST_GOOD_FILE)
        self._last_good_path = work_folder / LAST_GOOD_FILE
        self._read: SettingsFile | None = None
        self.file = station_file(Path(DEFAULT_STATION_FOLDER))
        self._signature: _Signature = None

    def has_changed(self) -> bool:
        """Whether the file is another one than when it was read; costs a look at the disk."""
        return _find_signature(self.file) != self._signature

    def find_own(self, values: Mapping[str, Any]) -> Json:
        """The component's settings that go with what Greengrass says; a fault if those are not the file's.

        SettingsNotThereError if there are none that could be used.
        """
        self.file = station_file(Path(str(values.get(FOLDER_KEY, DEFAULT_STATION_FOLDER))))
        self._signature = _find_signature(self.file)
        wanted = str(values.get(VERSION_KEY, ""))
        self._read, problem = self._load(wanted)
        if not problem:
            if self._health.clear_fault(SETTINGS_FAULT):
                log.info("the station's settings are usable again")
            return self._select(self._read)
        return self._fall_back(problem, wanted)

    def peek(self, values: Mapping[str, Any]) -> Json:
        """As `find_own`, for a question only; nothing where the file does not go with these values."""
        file = station_file(Path(str(values.get(FOLDER_KEY, DEFAULT_STATION_FOLDER))))
        try:
            settings = load_settings(file, self._thing)
        except (FileNotFoundError, ConfigurationError):
            return {}
        fits = str(values.get(VERSION_KEY, "")) in ("", settings.version)
        return self._select(settings) if fits else {}

    def store_last_good(self) -> None:
        """Keep what was read last for a later start; OSError."""
        if self._read is not None:
            content = encode_settings(self._read).decode()
            if not self._last_good_path.is_file() or self._last_good.load() != content:
                self._last_good.store(content)

    def _load(self, wanted: str) -> tuple[SettingsFile | None, str]:
        """The file's settings, or what is wrong; neither where a station has none of its own."""
        try:
            settings = load_settings(self.file, self._thing)
        except FileNotFoundError:
            if wanted:
                return None, f"{self.file} is not there; version {wanted} is expected"
            if self._last_good_path.is_file():
                return None, (
                    f"{self.file} is gone. To run without it, delete {self._last_good_path.name} from the "
                    "component's work folder"
                )
            return None, ""
        except ConfigurationError as error:
            return None, str(error)
        if wanted and settings.version != wanted:
            found = settings.version or "no version"
            return None, f"{self.file} is of {found}; version {wanted} is expected"
        return settings, ""

    def _fall_back(self, problem: str, wanted: str) -> Json:
        text = f"{problem}. Deploy the station's settings component again"
        kept = self._load_last_good()
        if kept is None or (wanted and kept.version != wanted):
            raise SettingsNotThereError(f"{text}; the component starts when they are there.")
        if self._health.raise_fault(SETTINGS_FAULT, f"{text}; the last good settings stay."):
            log.error("the station's settings are refused", extra={"problem": problem})
        self._read = kept
        return self._select(kept)

    def _load_last_good(self) -> SettingsFile | None:
        try:
            text = self._last_good.load()
            kept = None if text is None else decode_settings(text.encode(), LAST_GOOD_FILE)
        except (OSError, UnicodeDecodeError, ConfigurationError) as error:
            log.error("the last good settings are not readable", extra={"error": str(error)})
            return None
        return kept if kept is not None and kept.thing == self._thing else None

    def _select(self, settings: SettingsFile | None) -> Json:
        return {} if settings is None else settings.components.get(self._component, {})


def _find_signature(file: Path) -> _Signature:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns, found.st_size
