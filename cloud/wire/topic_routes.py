"""Maps a topic to its stream and thing, by the catalogue."""

from dataclasses import dataclass

from sightline.messaging.topics import CLOUD, MessageStream, streams_read_by

CLIENT_ID = "sightline-cloud"  # the name under which the broker keeps our session
ANY_THING = "+"


@dataclass(frozen=True)
class TopicRoute:
    """A stream, and the thing named in the topic."""

    stream: MessageStream
    thing: str


def list_topic_filters() -> tuple[str, ...]:
    """Topic filters of all streams to the cloud, for every thing."""
    return tuple(stream.build_topic(ANY_THING) for stream in streams_read_by(CLOUD))


def build_beat_topic(client_id: str) -> str:
    """The topic of the cloud side's own beat; stations do not use it."""
    return f"{CLIENT_ID}/{client_id}/beat"


def parse_topic(topic: str) -> TopicRoute | None:
    """The stream and thing of a topic; None if the catalogue has no such topic."""
    for stream in streams_read_by(CLOUD):
        before, _, after = stream.topic.partition("{thing}")
        thing = topic[len(before) : len(topic) - len(after)]
        if thing and "/" not in thing and topic == f"{before}{thing}{after}":
            return TopicRoute(stream, thing)
    return None
