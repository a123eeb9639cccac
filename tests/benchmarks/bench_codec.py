"""What a message costs: a full PartJudged to bytes and back."""

from pytest_benchmark.fixture import BenchmarkFixture

from sightline.messaging.codec import decode, encode
from sightline.messaging.messages import PartJudged
from tests.contract.messages.message_examples import PART_JUDGED


def encode_and_decode(message: PartJudged) -> PartJudged:
    """Once over the wire and back."""
    return decode(PartJudged, encode(message))


def test_a_full_verdict_to_bytes_and_back(benchmark: BenchmarkFixture) -> None:
    benchmark.extra_info["payload_bytes"] = len(encode(PART_JUDGED))
    assert benchmark(encode_and_decode, PART_JUDGED) == PART_JUDGED
