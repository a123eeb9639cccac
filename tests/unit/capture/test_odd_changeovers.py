"""Changeovers that cannot be all that was asked: said in words, and the line goes on."""

from tests.unit.capture.conftest import StartStation
from tests.unit.capture.line_kit import command, stamps


def test_a_command_of_very_many_words_is_answered_all_the_same(begin_line: StartStation) -> None:
    station = begin_line()
    answer = command(station, "c-1", "change_product", product="can", **{"x" * 6300: 1})
    assert answer.result == "refused"
    assert "unknown field `xxx" in answer.reason
    station.trigger(1)
    assert stamps(station) == [("bottle", "1", "")]
