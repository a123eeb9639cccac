"""`python -m cloud.command KIND ...`: send a command through a site's page, and wait for its outcome.

The page's buttons do the same: the station decides what is allowed, and keeps it in its audit trail.
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

DEFAULT_PAGE = "http://127.0.0.1:8080"
COMMAND_LIFETIME_S = 12.0
DEFAULT_WAIT_S = 30.0
POLL_S = 0.2
RESPONSE_TIMEOUT_S = 10.0
MAX_RESPONSE_BYTES = 16 * 1024 * 1024
TIER_NAMES = ("reject", "review", "keep")
DONE, FAILED = 0, 1
Json = dict[str, Any]


class CommandFailedError(Exception):
    """A command was not sent, or not carried out; says why."""


@dataclass(frozen=True)
class CommandForm:
    """A kind of command: who sends it if nobody is named, what it needs and what it may have."""

    issuer: str
    explains: str
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


FORMS: dict[str, CommandForm] = {
    "set_threshold": CommandForm(
        "engineer", "change the score thresholds of a product's label", ("product", "label")
    ),
    "load_model": CommandForm(
        "engineer", "let another model of the station's store serve", ("model", "digest")
    ),
    "change_product": CommandForm(
        "operator", "the next parts are of this product", ("product",), ("lot",)
    ),
    "lot_start": CommandForm("operator", "a lot starts", ("lot",)),
    "lot_end": CommandForm("operator", "the lot ends"),
    "challenge_part": CommandForm(
        "operator", "the next part is a known bad part", ("label",), ("partNumber",)
    ),
    "acknowledge_hold": CommandForm("operator", "release a hold", ("hold",)),
    "pause": CommandForm("operator", "no part passes", (), ("remark",)),
    "maintenance": CommandForm("operator", "no part passes or counts", (), ("remark",)),
    "bypass": CommandForm("operator", "every part passes, if the station allows it"),
    "resume": CommandForm("operator", "return to production"),
    "restart_component": CommandForm("operator", "restart a component", ("component",)),
}


class SitePage:
    """A site's page, asked over HTTP; CommandFailedError says what is wrong with an answer."""

    def __init__(self, address: str) -> None:
        if not address.startswith(("http://", "https://")):
            raise CommandFailedError(f"--page is {address!r}; expected http://HOST:PORT")
        self._address = address.rstrip("/")
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path: str, **query: object) -> Json:
        """The JSON of a path."""
        return self._ask(f"{path}?{urlencode(query)}" if query else path, None)

    def post_command(self, command: Json) -> Json:
        """Send a command; the answer names it."""
        return self._ask("/api/commands", json.dumps(command).encode())

    def _ask(self, path: str, body: bytes | None) -> Json:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        request = urllib.request.Request(self._address + path, body, headers)
        try:
            with self._opener.open(request, timeout=RESPONSE_TIMEOUT_S) as response:
                answer: Json = json.loads(response.read(MAX_RESPONSE_BYTES))
        except urllib.error.HTTPError as error:
            raise CommandFailedError(_read_error(error)) from error
        except (OSError, ValueError) as error:
            raise CommandFailedError(
                f"the page at {self._address} does not answer ({error}); name it with --page"
            ) from error
        return answer


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done, or the effect was shown; 1: not sent, refused, expired or not answered."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.kind == "set_threshold" and (problem := _find_threshold_problem(given)):
        parser.error(problem)
    try:
        page = SitePage(given.page)
        station = given.station or _find_station(page)
        values = _collect_arguments(given)
        if given.kind == "set_threshold" and not given.reset:
            _print(describe_effect(_load_effect(page, station, values, given.parts)))
            if given.dry_run:
                return DONE
        _print(_send(page, station, given, values))
    except CommandFailedError as error:
        sys.stderr.write(f"{given.kind}: {error}\n")
        return FAILED
    return DONE


def describe_effect(effect: Json) -> str:
    """The effect of thresholds in words, with the numbers of parts whose verdicts would change."""
    label = f"{effect['label']} of {effect['product']} {effect['version']}"
    tiers = ", ".join(
        f"{tier} {effect['present'][tier]:g} to {effect['after'][tier]:g}"
        for tier in TIER_NAMES
        if effect["present"][tier] != effect["after"][tier]
    )
    lines = [f"{label}: {tiers or 'no change'}"]
    if not effect["parts"]:
        return "\n".join(
            [*lines, "No part of this version is recorded yet: its effect is unknown."]
        )
    lines.append(
        f"Of the last {effect['parts']} parts, {effect['unchanged']} would keep their verdict, "
        f"and of {effect['unknown']} it is unknown."
    )
    for change in effect["changes"]:
        parts = ", ".join(str(part["partNumber"]) for part in change["examples"])
        more = ", ..." if change["count"] > len(change["examples"]) else ""
        lines.append(
            f"{change['count']} {change['before']} would become {change['after']}: part {parts}{more}"
        )
    return "\n".join(lines)


def _load_effect(page: SitePage, station: str, values: Json, parts: int) -> Json:
    query = {name: value for name, value in values.items() if name != "reset"}
    return page.get("/api/threshold-effect", station=station, parts=parts, **query)


def _send(page: SitePage, station: str, given: argparse.Namespace, values: Json) -> str:
    command = {
        "station": station,
        "kind": given.kind,
        "issued_by": given.issuer,
        "arguments": values,
    }
    sent = page.post_command({**command, "lifetime_s": COMMAND_LIFETIME_S})
    path, state = f"/api/commands/{quote(sent['command_id'], safe='')}", "not known yet"
    until = time.monotonic() + given.wait
    while time.monotonic() < until:
        known = page.get(path, station=station)
        state = known["state"]
        outcome = known["outcome"]
        if outcome is not None:
            words = f"{state}: {outcome['reason']}" if outcome["reason"] else str(state)
            if state != "done":
                raise CommandFailedError(words)
            start = outcome.get("from_part")
            return words + (f", from part {start['part_number']} on" if start else "")
        time.sleep(POLL_S)
    raise CommandFailedError(
        f"no outcome within {given.wait:g} s (state: {state}); look at the station before you send it again"
    )


def _find_station(page: SitePage) -> str:
    stations = page.get("/api/summary")["stations"]
    if len(stations) != 1:
        known = ", ".join(stations) or "none"
        raise CommandFailedError(f"the site has these stations: {known}; name one with --station")
    return str(stations[0])


def _read_error(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read(MAX_RESPONSE_BYTES))["error"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"the page answered {error.code} {error.reason}"


def _find_threshold_problem(given: argparse.Namespace) -> str:
    tiers = any(getattr(given, tier) is not None for tier in TIER_NAMES)
    if tiers == given.reset:
        return "set-threshold: give some of --reject, --review and --keep, or --reset alone"
    if given.reset and given.dry_run:
        return (
            "set-threshold: the effect of --reset is unknown here, because a station reports only the "
            "thresholds in force; give the product's own by --reject, --review and --keep"
        )
    return ""


def _collect_arguments(given: argparse.Namespace) -> Json:
    form = FORMS[given.kind]
    names = (*form.required, *form.optional)
    if given.kind == "set_threshold":
        names = (*names, *TIER_NAMES, "reset")
    values = {name: getattr(given, name) for name in names}
    return {name: value for name, value in values.items() if value not in (None, False)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cloud.command", description=__doc__)
    kinds = parser.add_subparsers(dest="command", required=True, metavar="KIND")
    for kind, form in FORMS.items():
        command = kinds.add_parser(kind.replace("_", "-"), help=form.explains)
        command.set_defaults(kind=kind)
        for name in (*form.required, *form.optional):
            kind_of = int if name == "partNumber" else str
            command.add_argument(
                f"--{name}", type=kind_of, required=name in form.required, metavar=name.upper()
            )
        if kind == "set_threshold":
            _add_threshold_options(command)
        command.add_argument("--page", default=DEFAULT_PAGE, help="default: %(default)s")
        command.add_argument("--station", help="thing name (default: the site's only station)")
        command.add_argument(
            "--issuer", default=form.issuer, help="who sends it (default: %(default)s)"
        )
        command.add_argument(
            "--wait",
            type=float,
            default=DEFAULT_WAIT_S,
            metavar="SECONDS",
            help="how long to wait for the outcome (default: %(default)g)",
        )
    return parser


def _add_threshold_options(command: argparse.ArgumentParser) -> None:
    for tier, meaning in zip(
        TIER_NAMES, ("closes the gate", "asks a person", "keeps the pictures"), strict=True
    ):
        command.add_argument(
            f"--{tier}", type=float, metavar="SCORE", help=f"a score from here on {meaning}"
        )
    command.add_argument("--reset", action="store_true", help="return to the product's own")
    command.add_argument(
        "--dry-run", action="store_true", help="show the effect on the last parts, and send nothing"
    )
    command.add_argument(
        "--parts", type=int, default=200, help="parts of the effect, at most 1000 (default: 200)"
    )


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
