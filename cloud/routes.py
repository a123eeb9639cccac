"""Which stream and thing a topic of the broker belongs to, by the catalogue."""

from dataclasses import dataclass

from sightline.topics import CLOUD, Stream, streams_read_by

CLIENT_ID = "sightline-cloud"  # the name under which the broker keeps our session
ANY_THING = "+"


@dataclass(frozen=True)
class Route:
    """A stream and the thing that its topic names."""

    stream: Stream
    thing: str


def subscriptions() -> tuple[str, ...]:
    """The topic filters of all streams that go to the cloud, for every thing."""
    return tuple(stream.topic_of(ANY_THING) for stream in streams_read_by(CLOUD))


def beat_topic(client_id: str) -> str:
    """Where a cloud side says something to itself; stations have no part in it."""
    return f"{CLIENT_ID}/{client_id}/beat"


def route_of(topic: str) -> Route | None:
    """The stream and the thing of a topic, or None if the catalogue has none such."""
    for stream in streams_read_by(CLOUD):
        before, _, after = stream.topic.partition("{thing}")
        thing = topic[len(before) : len(topic) - len(after)]
        if thing and "/" not in thing and topic == f"{before}{thing}{after}":
            return Route(stream, thing)
    return None
