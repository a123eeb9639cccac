"""Streams without sender or reader, and topics outside of the catalogue, are caught."""

import dataclasses

import pytest

from sightline.messaging.topics import PART_JUDGED
from tools.suite_rules import (
    stream_rules,
)
from tools.suite_rules.source_files import SourceFile


@pytest.mark.parametrize(
    ("path", "code", "caught"),
    [
        ("components/capture/loop.py", "TOPIC = 'sightline/part/triggered'", True),
        ("components/capture/loop.py", "TOPIC = f'sightline/{thing}/health'", True),
        ("cloud/wire/batches.py", "client.subscribe('sightline/+/records')", True),
        ("cloud/wire/batches.py", "INSPECTION_RECORD.topic_of('+')", False),
        ("tools/stage.py", "copy('sightline/launch.sh')", False),
        ("shared/sightline/messaging/topics.py", "TOPIC = 'sightline/part/triggered'", False),
        ("tests/unit/nucleus/test_topics.py", "matches('sightline/part/triggered')", False),
    ],
)
def test_a_topic_outside_of_the_catalogue_is_caught(path: str, code: str, caught: bool) -> None:
    assert bool(stream_rules.find_stray_topics(SourceFile(path, code))) is caught


def test_a_stream_without_sender_or_reader_is_caught() -> None:
    silent = dataclasses.replace(PART_JUDGED, name="Silent", senders=())
    unheard = dataclasses.replace(PART_JUDGED, name="Unheard", readers=())
    assert stream_rules.find_unconnected_streams([PART_JUDGED]) == []
    assert stream_rules.find_unconnected_streams([silent, unheard]) == [
        "stream Silent: no sender",
        "stream Unheard: no reader",
    ]
