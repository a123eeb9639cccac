"""Which commands are carried out, and why others are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from publisher.command_authorisation import CommandDecision, decide_command
from publisher.configuration import AllowedCommand, CommandsConfiguration
from sightline.messaging.messages import Command, CommandKind
from tests.unit.publisher.publisher_kit import STATION, TRIGGERED_UTC_NS

NOW_NS = TRIGGERED_UTC_NS
MINUTE_NS = 60_000_000_000
PAUSE = Command(
    station_id=STATION,
    command_id="c-1",
    kind="pause",
    issued_by="shift-leader",
    issued_utc_ns=NOW_NS,
    expires_utc_ns=NOW_NS + MINUTE_NS,
)
ALLOWED = CommandsConfiguration(
    allowed=(
        AllowedCommand(kind="pause", issuers=("shift-leader", "quality")),
        AllowedCommand(kind="resume", issuers=("quality",)),
        AllowedCommand(kind="set_threshold", issuers=("quality",)),
    )
)


def decided(allowed: CommandsConfiguration = ALLOWED, **changes: object) -> CommandDecision:
    return decide_command(replace(PAUSE, **changes), allowed, NOW_NS)


def test_what_is_allowed_is_done_here_or_accepted_for_the_component_that_does_it() -> None:
    assert decided() == CommandDecision("done")
    assert decided(arguments={"remark": "shift change"}) == CommandDecision("done")
    assert decided(kind="set_threshold", issued_by="quality", arguments={"reject": 0.5}) == (
        CommandDecision("accepted")
    )


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"issued_by": "guest"}, "'pause' is not allowed to 'guest'"),
        ({"kind": "resume"}, "'resume' is not allowed to 'shift-leader'"),
        ({"kind": "bypass"}, "'bypass' is not allowed"),
        ({"kind": "explode"}, "there is no command kind 'explode'"),
        ({"command_id": ""}, "command_id must match"),
        ({"command_id": "x" * 65}, "command_id must match"),
        ({"issued_by": "shift leader\n"}, "issued_by must match"),
        ({"arguments": {"gate": "open"}}, "no argument but 'remark'; found 'gate'"),
        ({"arguments": {"remark": 1.0}}, "'remark' must be a text"),
        ({"arguments": {"remark": "x" * 201}}, "at most 200"),
        ({"issued_utc_ns": NOW_NS + 2 * MINUTE_NS}, "120 s ahead of the station's clock"),
        ({"expires_utc_ns": NOW_NS + 86_401 * 10**9}, "at most 86400 s are allowed"),
        ({"expires_utc_ns": NOW_NS}, "it expires 0 s after it was issued"),
        ({"expires_utc_ns": 10**4000}, "its times must be"),
        ({"issued_utc_ns": -1}, "its times must be"),
    ],
)
def test_everything_else_is_refused_in_words(changes: dict[str, object], word: str) -> None:
    decision = decided(ALLOWED, **changes)
    assert decision.result == "refused"
    assert word in decision.reason


def test_a_command_that_comes_after_its_end_has_expired() -> None:
    decision = decided(issued_utc_ns=NOW_NS - MINUTE_NS, expires_utc_ns=NOW_NS - 1_500_000_000)
    assert decision == CommandDecision("expired", "Command expired 1.5 s ago")
    assert decided(issued_utc_ns=NOW_NS - MINUTE_NS, expires_utc_ns=NOW_NS).result == "expired"


def test_by_default_nothing_is_allowed() -> None:
    kinds: tuple[CommandKind, ...] = ("pause", "resume", "set_threshold", "bypass")
    for kind in kinds:
        assert decided(CommandsConfiguration(), kind=kind, issued_by="quality").result == "refused"


@given(
    st.builds(
        Command,
        station_id=st.just(STATION),
        command_id=st.text(max_size=70),
        kind=st.sampled_from(["pause", "resume", "set_threshold", "bypass", ""]),
        issued_by=st.sampled_from(["quality", "shift-leader", "guest"]),
        issued_utc_ns=st.integers(),
        expires_utc_ns=st.integers(),
        arguments=st.dictionaries(st.text(), st.none() | st.booleans() | st.floats() | st.text()),
    )
)
def test_any_command_gets_a_decision_and_only_an_allowed_one_a_good_one(command: Command) -> None:
    decision = decide_command(command, ALLOWED, NOW_NS)
    allowed = {(rule.kind, issuer) for rule in ALLOWED.allowed for issuer in rule.issuers}
    if decision.result in ("done", "accepted", "expired"):
        assert (command.kind, command.issued_by) in allowed
    assert bool(decision.reason) == (decision.result in ("refused", "expired"))
