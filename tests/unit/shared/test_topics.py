"""The catalogue of streams is one consistent table."""

import msgspec
import pytest

from sightline.messaging import messages
from sightline.messaging.topics import (
    CATALOGUE,
    CLOUD,
    CLOUD_BEAT,
    COMPONENTS,
    INFERENCE,
    PART_CAPTURED,
    PART_JUDGED,
    STATION_HEALTH,
    MessageStream,
    streams_read_by,
    streams_sent_by,
)

LONGEST_TOPIC_BYTES = 256
MOST_LEVELS = 8


def test_no_two_streams_share_a_name_or_a_topic() -> None:
    assert len({stream.name for stream in CATALOGUE}) == len(CATALOGUE)
    assert len({stream.topic for stream in CATALOGUE}) == len(CATALOGUE)


def test_every_message_has_a_stream() -> None:
    sent = {stream.message for stream in CATALOGUE}
    assert set(messages.StationMessage.__subclasses__()) <= sent
    assert messages.InspectionRecord in sent


@pytest.mark.parametrize("stream", CATALOGUE, ids=lambda stream: stream.name)
def test_a_stream_connects_known_ends(stream: MessageStream) -> None:
    assert issubclass(stream.message, msgspec.Struct)
    assert getattr(messages, stream.message.__name__) is stream.message
    assert set(stream.senders) <= {*COMPONENTS, CLOUD}
    assert set(stream.readers) <= {*COMPONENTS, CLOUD}
    assert stream.max_rate_hz > 0
    to_itself_by_the_cloud = stream is CLOUD_BEAT
    with_cloud = CLOUD in (*stream.senders, *stream.readers) or to_itself_by_the_cloud
    assert with_cloud == (stream.route == "cloud") == ("{thing}" in stream.topic)


@pytest.mark.parametrize("stream", CATALOGUE, ids=lambda stream: stream.name)
def test_a_topic_is_one_that_both_nuclei_and_iot_core_take(stream: MessageStream) -> None:
    topic = stream.build_topic("t" * 128)
    assert len(topic) <= LONGEST_TOPIC_BYTES
    assert len(topic.split("/")) <= MOST_LEVELS
    assert not set(topic) & set("+#{}$ ")


def test_a_cloud_topic_names_the_thing() -> None:
    assert STATION_HEALTH.build_topic("station-1").split("/")[1] == "station-1"


def test_a_component_finds_the_streams_it_reads_and_sends() -> None:
    assert PART_CAPTURED in streams_read_by(INFERENCE)
    assert PART_JUDGED in streams_sent_by(INFERENCE)
    assert PART_JUDGED not in streams_read_by(INFERENCE)
    assert all(STATION_HEALTH in streams_sent_by(component) for component in COMPONENTS)
