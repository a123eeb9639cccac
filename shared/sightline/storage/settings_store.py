"""A station's own settings: what a settings component brings, and what the station's components read.

    THING.json                  in the artifact of com.sightline.settings.KIND, one file a station
    settings/station.json       in the station's folder: the file of this thing

`python -m sightline.storage.settings_store put FOLDER --thing THING --store DIR` is what the settings
component's install step runs; `show --store DIR` prints what is in force. What is refused changes nothing.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import msgspec

from sightline.errors import ConfigurationError, MessageError, SightlineError, TextError
from sightline.messaging.codec import decode_of_any_size
from sightline.storage.journal import DurableText
from sightline.strict_text import decode_json

STATION_FILE = "station.json"
SETTINGS_FOLDER = "settings"
MAX_FILE_BYTES = 1024 * 1024
MAX_LISTED_THINGS = 5
_THING = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
_VERSION = re.compile(r"[0-9A-Za-z.+-]{0,64}")


class SettingsFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One station's settings by component, each merged over what Greengrass says of that component.

    A wire format: fields are only added. `version` is that of the settings component; `put` fills it in.
    """

    thing: str
    site: str = ""
    version: str = ""
    components: dict[str, dict[str, Any]] = {}
    schema_version: int = 1


def decode_settings(content: bytes, place: str) -> SettingsFile:
    """The settings in a file's bytes; ConfigurationError says what is wrong with what is at `place`."""
    if len(content) > MAX_FILE_BYTES:
        raise ConfigurationError(
            f"{place}: found {len(content)} bytes; at most {MAX_FILE_BYTES} are allowed"
        )
    try:
        settings = decode_of_any_size(SettingsFile, content)
        decode_json(content.decode())  # for a key that is there twice
    except (MessageError, TextError) as error:
        raise ConfigurationError(f"{place} cannot be read as settings: {error}") from error
    if not _THING.fullmatch(settings.thing):
        raise ConfigurationError(
            f"{place} at /thing: found {settings.thing[:140]!r}; a thing's name has up to 128 letters, "
            "digits, ':', '_' and '-'"
        )
    return settings


def encode_settings(settings: SettingsFile) -> bytes:
    """A settings file's bytes: the same for the same settings, whatever order they were written in."""
    ordered = msgspec.to_builtins(settings) | {"schema_version": settings.schema_version}
    content = msgspec.json.encode(ordered, order="deterministic")
    return msgspec.json.format(content, indent=1) + b"\n"


def station_file(station_folder: Path) -> Path:
    """Where the settings lie below a station's folder."""
    return station_folder / SETTINGS_FOLDER / STATION_FILE


def load_settings(file: Path, thing: str) -> SettingsFile:
    """The settings of a thing; FileNotFoundError, or ConfigurationError where they are not its own."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror or error}") from error
    settings = decode_settings(content, str(file))
    if settings.thing != thing:
        raise ConfigurationError(
            f"{file} has the settings of the station {settings.thing!r}; this is {thing!r}"
        )
    return settings


def store_settings(folder: Path, thing: str, store: Path, version: str = "") -> SettingsFile:
    """Take a thing's settings into the store, whole and on disk; ConfigurationError if it has none."""
    if not _THING.fullmatch(thing):
        raise ConfigurationError(f"--thing: found {thing[:140]!r}; the name of a thing is expected")
    if not _VERSION.fullmatch(version):
        raise ConfigurationError(f"--version: found {version[:80]!r}; expected one such as 1.2.3")
    try:
        found = load_settings(folder / f"{thing}.json", thing)
    except FileNotFoundError as error:
        raise ConfigurationError(_explain_unknown_thing(folder, thing)) from error
    settings = msgspec.structs.replace(found, version=version or found.version)
    DurableText(store / STATION_FILE).store(encode_settings(settings).decode())
    return settings


def _explain_unknown_thing(folder: Path, thing: str) -> str:
    known = sorted(path.stem for path in folder.glob("*.json"))
    listed = ", ".join(known[:MAX_LISTED_THINGS]) or "none"
    more = f" and {len(known) - MAX_LISTED_THINGS} more" if len(known) > MAX_LISTED_THINGS else ""
    return (
        f"{folder} has no settings of the station {thing!r}, only of: {listed}{more}. Add the station to "
        "its kind's deployment file and deploy that"
    )


def main(arguments: list[str] | None = None) -> int:
    """The command line of the install step."""
    given = _build_parser().parse_args(arguments)
    try:
        if given.action == "put":
            settings = store_settings(given.folder, given.thing, given.store, given.version)
            sys.stdout.write(f"{settings.thing} {settings.version} {given.store / STATION_FILE}\n")
        else:
            file = given.store / STATION_FILE
            sys.stdout.write(
                encode_settings(decode_settings(file.read_bytes(), str(file))).decode()
            )
    except (SightlineError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="A station's own settings")
    actions = parser.add_subparsers(dest="action", required=True)
    put = actions.add_parser("put", help="take this station's settings into its folder")
    put.add_argument("folder", type=Path, help="the folder with one THING.json a station")
    put.add_argument("--thing", required=True, help="the name of this station's thing")
    put.add_argument("--version", default="", help="the settings component's version")
    show = actions.add_parser("show", help="print the settings in force")
    for action in (put, show):
        action.add_argument("--store", type=Path, required=True, help="STATION_FOLDER/settings")
    return parser


if __name__ == "__main__":
    sys.exit(main())
