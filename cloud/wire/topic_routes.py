"""Which stream and thing a topic of the broker belongs to, by the catalogue."""

from dataclasses import dataclass

from sightline.messaging.topics import CLOUD, MessageStream, streams_read_by

CLIENT_ID = "sightline-cloud"  # the name under which the broker keeps our session
ANY_THING = "+"


@dataclass(frozen=True)
class TopicRoute:
    """A stream and the thing that its topic names."""

    stream: MessageStream
    thing: str


def list_topic_filters() -> tuple[str, ...]:
    """The topic filters of all streams that go to the cloud, for every thing."""
    return tuple(stream.build_topic(ANY_THING) for stream in streams_read_by(CLOUD))


def build_beat_topic(client_id: str) -> str:
    """Where a cloud side says something to itself; stations have no part in it."""
    return f"{CLIENT_ID}/{client_id}/beat"


def parse_topic(topic: str) -> TopicRoute | None:
    """The stream and the thing of a topic, or None if the catalogue has none such."""
    for stream in streams_read_by(CLOUD):
        before, _, after = stream.topic.partition("{thing}")
        thing = topic[len(before) : len(topic) - len(after)]
        if thing and "/" not in thing and topic == f"{before}{thing}{after}":
            return TopicRoute(stream, thing)
    return None
