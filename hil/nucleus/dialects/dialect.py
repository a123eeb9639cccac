"""The differences between the two production nuclei, as data."""

from dataclasses import dataclass

from hil.nucleus.dialects.json_limits import JsonLimits
from hil.nucleus.recipe_files.recipe import StepName

JSON_TYPE = "application/json"


@dataclass(frozen=True)
class Dialect:
    """The behaviour and limits of one nucleus."""

    name: str
    version: str
    max_packet_bytes: int
    ends_stream_with_response: bool  # flag 2 on responses that do not stream
    completes_closed_streams: bool  # answers a client's end of stream with one of its own
    acknowledges_refusal: bool  # a bad token gets an ack without the flag before the close
    answers_ping: bool
    common_headers_only: bool  # header types other than i32 and string close the connection
    error_details: bool  # error bodies carry `message` and `_service` too
    honours_receive_mode: bool
    accepts_integer_timestamp: bool
    typed_yaml: bool  # scalars of a YAML recipe keep their types
    json_limits: JsonLimits
    max_unacknowledged_publishes: int
    spool_bytes: int = 0  # of what waits for IoT Core in memory; 0: a publish waits itself
    max_topic_bytes: int = 256
    ignored_steps: tuple[StepName, ...] = ()  # steps of a lifecycle that it passes over
    lite_limits: bool = False  # refuses what lite_limits.py names
    stops_hard_dependents: bool = False  # what needs a component stops with it and stays down
    counts_starts: bool = False  # three starts within an hour, whatever lies between them
    can_lose_subscriptions: bool = False  # its daemons restart one by one
    has_deployment_operations: bool = True  # has the operations that ask for a deployment's state


CLASSIC = Dialect(
    name="classic",
    version="2.14.0",
    max_packet_bytes=128 * 1024,
    ends_stream_with_response=True,
    completes_closed_streams=True,
    acknowledges_refusal=True,
    answers_ping=True,
    common_headers_only=False,
    error_details=True,
    honours_receive_mode=True,
    accepts_integer_timestamp=True,
    typed_yaml=True,
    json_limits=JsonLimits(max_depth=100),
    max_unacknowledged_publishes=1000,
    spool_bytes=2_621_440,
)

LITE = Dialect(
    name="lite",
    version="2.6.0",
    max_packet_bytes=10_012,
    ends_stream_with_response=False,
    completes_closed_streams=False,
    acknowledges_refusal=False,
    answers_ping=False,
    common_headers_only=True,
    error_details=False,
    honours_receive_mode=False,
    accepts_integer_timestamp=False,
    typed_yaml=False,
    json_limits=JsonLimits(
        max_depth=12,
        max_keys_delivered=23,
        max_elements_delivered=44,
        max_keys_accepted=101,
        max_elements_accepted=194,
    ),
    max_unacknowledged_publishes=10,
    ignored_steps=("shutdown", "recover"),
    lite_limits=True,
    stops_hard_dependents=True,
    counts_starts=True,
    can_lose_subscriptions=True,
    has_deployment_operations=False,
)

DIALECTS = {dialect.name: dialect for dialect in (CLASSIC, LITE)}
