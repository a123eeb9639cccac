"""Which requests read many registers: few and large, none larger than Modbus allows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from equipment.links.modbus_configuration import RegisterTable

MAX_REQUEST_WORDS = 125  # of one read request
MAX_GAP_WORDS = 32  # read along rather than asked for apart


@dataclass(frozen=True, order=True)
class RegisterSpan:
    """Registers that belong together."""

    table: RegisterTable
    address: int
    words: int

    @property
    def end(self) -> int:
        """The address after the last."""
        return self.address + self.words


def merge_spans(
    spans: Iterable[RegisterSpan], max_gap_words: int = MAX_GAP_WORDS
) -> list[RegisterSpan]:
    """Requests that cover all spans, each span whole in one of them."""
    requests: list[RegisterSpan] = []
    for span in sorted(set(spans)):
        last = requests[-1] if requests else None
        if last is not None and _can_join(last, span, max_gap_words):
            end = max(last.end, span.end)
            requests[-1] = RegisterSpan(last.table, last.address, end - last.address)
        else:
            requests.append(span)
    return requests


def _can_join(last: RegisterSpan, span: RegisterSpan, max_gap_words: int) -> bool:
    return (
        last.table == span.table
        and span.address - last.end <= max_gap_words
        and max(last.end, span.end) - last.address <= MAX_REQUEST_WORDS
    )


def find_words(
    answers: Mapping[RegisterSpan, Sequence[int]], span: RegisterSpan
) -> Sequence[int] | None:
    """A span's words out of the answers to larger requests; None if no answer has them."""
    for request, words in answers.items():
        if (
            request.table == span.table
            and request.address <= span.address
            and span.end <= request.end
        ):
            return words[span.address - request.address : span.end - request.address]
    return None
