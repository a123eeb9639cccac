"""Our nucleus in the dialect `lite` answers as Nucleus Lite did, but for what is named here."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from hil.nucleus.dialects.dialect import LITE, Dialect
from tests.contract.ipc.transcript import NAMES, load_lines
from tests.contract.ipc.transcript_replay import (
    QUIET_S,
    NucleusFrames,
    read_recorded_frames,
    replay_transcript,
)
from tests.unit.nucleus.ipc_kit import ServedIpc

BROKER_AWAY = frozenset({"09-publish-to-iot-core-broker-down"})
STRICT_JSON = "a number that ends in a point is no JSON; ours refuses it"
LAST_KEY_WINS = "of equal keys the last one wins with ours, the first one with Lite"


class Difference(NamedTuple):
    """The streams of a transcript that are answered otherwise, and why that stays."""

    streams: frozenset[int]
    reason: str
    closes: bool = False


DIFFERENCES = {
    "01b-connect-by-component-name": Difference(
        frozenset({0, 900}),
        "connecting by name trusts systemd's name for the peer; ours starts all its components "
        "itself and knows them by their token only",
        closes=True,
    ),
    "14g-invalid-json": Difference(frozenset({7}), LAST_KEY_WINS),
    "14l-numbers": Difference(
        frozenset({1, 7}),
        STRICT_JSON + "; 2^63-1 arrives whole with ours, with its last digit broken with Lite",
    ),
    "14m-strings": Difference(frozenset({1}), LAST_KEY_WINS),
}


def conversation(
    name: str, serve: Callable[[Dialect], ServedIpc]
) -> tuple[NucleusFrames, NucleusFrames]:
    """What our nucleus and the recorded one answered to the same client."""
    serving = serve(LITE)
    serving.cloud.away = name in BROKER_AWAY
    patience_s = QUIET_S if name in DIFFERENCES else 5.0
    return replay_transcript(load_lines(name), serving, patience_s), read_recorded_frames(
        load_lines(name)
    )


@pytest.mark.parametrize("name", NAMES)
def test_answers_each_frame_as_nucleus_lite_did(
    name: str, serve: Callable[[Dialect], ServedIpc]
) -> None:
    ours, lite = conversation(name, serve)
    difference = DIFFERENCES.get(name, Difference(frozenset(), ""))
    differing = {
        stream
        for stream in {*ours.answers, *lite.answers}
        if ours.answers.get(stream) != lite.answers.get(stream)
    }
    assert differing == difference.streams, "streams answered otherwise than the table says"
    assert (ours.closed != lite.closed) == difference.closes


def test_the_table_of_differences_names_transcripts_that_exist() -> None:
    assert set(DIFFERENCES) <= set(NAMES)
