"""Which requests read many registers: few and large, none larger than Modbus allows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from equipment.links.modbus_configuration import Table

GREATEST_WORDS = 125  # of one read request
GREATEST_GAP_WORDS = 32  # read along rather than asked for apart


@dataclass(frozen=True, order=True)
class Span:
    """Registers that belong together."""

    table: Table
    address: int
    words: int

    @property
    def end(self) -> int:
        """The address after the last."""
        return self.address + self.words


def in_few_requests(spans: Iterable[Span], greatest_gap: int = GREATEST_GAP_WORDS) -> list[Span]:
    """Requests that cover all spans, each span whole in one of them."""
    requests: list[Span] = []
    for span in sorted(set(spans)):
        last = requests[-1] if requests else None
        if last is not None and _fits(last, span, greatest_gap):
            end = max(last.end, span.end)
            requests[-1] = Span(last.table, last.address, end - last.address)
        else:
            requests.append(span)
    return requests


def _fits(last: Span, span: Span, greatest_gap: int) -> bool:
    return (
        last.table == span.table
        and span.address - last.end <= greatest_gap
        and max(last.end, span.end) - last.address <= GREATEST_WORDS
    )


def part_of(answers: Mapping[Span, Sequence[int]], span: Span) -> Sequence[int] | None:
    """A span's words out of the answers to larger requests; None if no answer has them."""
    for request, words in answers.items():
        if (
            request.table == span.table
            and request.address <= span.address
            and span.end <= request.end
        ):
            return words[span.address - request.address : span.end - request.address]
    return None
