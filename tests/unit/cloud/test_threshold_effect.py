"""Before thresholds are set, a person sees what they would have made of the last parts."""

import json
from typing import Any

import msgspec
import pytest
from starlette.requests import Request

from cloud.command import describe_effect, main
from cloud.live.threshold_effect import ProductTiers, compute_effect, select_parts
from cloud.store.record_store import PartsPage, PartsQuery
from cloud.web.query_string import QueryError
from cloud.web.threshold_routes import ThresholdHandlers, parse_scores
from sightline.messaging.messages import ThresholdBasis
from sightline.storage.products import LabelTiers
from tests.cloud.example_records import record

PRESENT = {"scratch": LabelTiers(reject=0.6, review=0.4, keep=0.2), "dent": LabelTiers()}
BOTTLE = ProductTiers("bottle", "3+1", PRESENT)


def a_part(number: int, score: float | None, **changes: Any) -> str:
    """A record as stored; `score` None: of a station that did not tell its scores."""
    scores = {"scratch": score} if score else {}
    basis = ThresholdBasis(scores=scores, min_score=0.2, otherwise="ok")
    wanted = {"policyVersion": "3", "thresholdBasis": None if score is None else basis, **changes}
    return msgspec.json.encode(record(number, **wanted)).decode()


class ListedStore:
    """Records in pages, newest first."""

    def __init__(self, bodies: list[str]) -> None:
        self._bodies = bodies

    def load_parts(self, query: PartsQuery) -> PartsPage:
        first = query.before or 0
        page = tuple(self._bodies[first : first + query.limit])
        end = first + len(page)
        return PartsPage(page, end if end < len(self._bodies) else None)


def ask(bodies: list[str], query: str, fact: str = "") -> tuple[int, dict[str, Any]]:
    told = fact or "bottle 3+1: dent 0.5/0.35/0.2 scratch 0.6/0.4/0.2"
    handlers = ThresholdHandlers(ListedStore(bodies), lambda *_: ("station-1", told))  # type: ignore[arg-type]
    scope = {"type": "http", "query_string": query.encode(), "headers": []}
    answer = handlers.serve_effect(Request(scope))
    return answer.status_code, json.loads(bytes(answer.body))


def test_the_verdicts_that_would_change_are_counted_and_shown() -> None:
    bodies = [a_part(4, 0.7), a_part(3, 0.5), a_part(2, 0.45), a_part(1, 0.0)]
    effect = compute_effect(
        bodies, PRESENT, {**PRESENT, "scratch": LabelTiers(reject=0.8, review=0.48, keep=0.2)}
    )
    assert (effect.parts, effect.unchanged, effect.unknown) == (4, 2, 0)
    told = {(change.before, change.after): change.bodies for change in effect.changes}
    assert told == {("defect", "review"): [bodies[0]], ("review", "ok"): [bodies[2]]}


def test_what_a_record_cannot_tell_is_unknown_and_never_guessed() -> None:
    lower = {**PRESENT, "scratch": LabelTiers(reject=0.6, review=0.1, keep=0.1)}
    effect = compute_effect([a_part(1, 0.0), a_part(2, None), a_part(3, 0.5)], PRESENT, lower)
    assert (effect.unchanged, effect.unknown, effect.changes) == (1, 2, ())


def test_only_parts_of_this_product_and_version_that_models_saw_are_counted() -> None:
    mine = [a_part(9, 0.5), a_part(8, 0.5, policyVersion="3+7")]
    others = [
        a_part(7, 0.5, product="can"),
        a_part(6, 0.5, policyVersion="2+1"),
        a_part(5, None, verdict="missed"),
        '{"gapId": "station-1-7-1-4"}',
        "no JSON",
    ]
    assert select_parts([*others, *mine], BOTTLE, 5) == mine
    assert select_parts([*mine, *others], BOTTLE, 1) == mine[:1]


def test_the_page_is_told_the_effect_with_examples() -> None:
    status, effect = ask(
        [a_part(n, 0.7) for n in range(600)],
        "product=bottle&label=scratch&reject=0.8&parts=550",
    )
    assert status == 200
    assert (effect["parts"], effect["unchanged"]) == (550, 0)
    (change,) = effect["changes"]
    assert (change["before"], change["after"], change["count"]) == ("defect", "review", 550)
    assert len(change["examples"]) == 8
    words = describe_effect(effect)
    assert "scratch of bottle 3+1: reject 0.6 to 0.8" in words
    assert "550 defect would become review: part 0, 1, 2, 3, 4, 5, 6, 7, ..." in words


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("product=can&label=scratch", "product is 'can'; the station has bottle"),
        ("product=bottle&label=rust", "label is 'rust'; bottle has dent, scratch"),
        ("product=bottle&label=scratch&review=0.7", "it can be 0.2 to 0.6"),
        ("product=bottle&label=scratch&reject=nan", "reject is 'nan'; more than 0 and at most 1"),
        ("product=bottle&label=scratch&parts=0", "parts is '0'"),
    ],
)
def test_a_query_that_is_not_allowed_is_refused_in_words(query: str, words: str) -> None:
    status, answer = ask([], query)
    assert status == 400
    assert words in answer["error"]


def test_a_station_that_tells_no_thresholds_is_named() -> None:
    assert "has not reported its thresholds" in ask([], "product=x&label=y", "nothing")[1]["error"]


def test_scores_are_read_as_they_are_given() -> None:
    assert parse_scores({"reject": "0.5", "other": "x"}) == {"reject": 0.5}
    with pytest.raises(QueryError, match="keep"):
        parse_scores({"keep": "-1"})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["set-threshold", "--product", "b", "--label", "l"], "give some of --reject"),
        (["set-threshold", "--product", "b", "--label", "l", "--reset", "--dry-run"], "unknown"),
        (["load-model", "--model", "m"], "--digest"),
        (["open-the-gate"], "invalid choice"),
    ],
)
def test_a_command_that_lacks_something_is_not_sent(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(words)
    assert told in capsys.readouterr().err


def test_a_page_that_does_not_answer_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pause", "--page", "http://127.0.0.1:9"]) == 1
    assert "http://127.0.0.1:9 does not answer" in capsys.readouterr().err
    assert main(["pause", "--page", "file:///etc/passwd"]) == 1
    assert "expected http://HOST:PORT" in capsys.readouterr().err
