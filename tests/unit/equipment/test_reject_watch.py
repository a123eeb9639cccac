"""Rejects that go astray, a full bin and rejects in a row are told, and stop the line where that is set."""

from typing import Any

import msgspec
import pytest

from equipment.configuration import LinkConfiguration
from equipment.links.link import (
    BinFullSeen,
    ConfirmationRecord,
    ConfirmationsRead,
    GateRecord,
    LineStopSeen,
    OutcomesRead,
    ReadConfirmations,
    StopLine,
)
from equipment.links.modbus_configuration import PlcRegisters
from equipment.links.opcua_configuration import PlcNodes
from equipment.links.register_codes import build_confirmations
from equipment.reject_watch import CONFIRMED_AGAIN
from sightline.errors import MachineLinkError
from sightline.messaging.messages import (
    GateActed,
    GateAction,
    GateConfirmation,
    GateConfirmed,
)
from sightline.messaging.topics import GATE_ACTED, GATE_CONFIRMED
from tests.unit.equipment.equipment_kit import NOW, EquipmentUnderTest


class Line:
    """A station whose PLC tells outcomes and confirmations one after the other."""

    def __init__(self, **configuration: Any) -> None:
        self.driven = EquipmentUnderTest(**configuration)
        self._outcomes: list[GateRecord] = []
        self._confirmations: list[ConfirmationRecord] = []
        self.connect()

    def connect(self) -> None:
        """The connection begins, and what the PLC keeps is read."""
        self.driven.connect()
        self.tell()

    def tell(self) -> None:
        """The PLC's histories are read."""
        handle = self.driven.component.handle
        handle(OutcomesRead(len(self._outcomes), tuple(self._outcomes[-64:])))
        handle(ConfirmationsRead(len(self._confirmations), tuple(self._confirmations[-64:])))

    def act(self, *actions: GateAction, times: int = 1) -> None:
        """The gate acts on the next parts."""
        for action in actions * times:
            number = len(self._outcomes) + 1
            self._outcomes.append(GateRecord(number, action, NOW + number, "not_ok"))
            self.tell()

    def see(self, *seen: GateConfirmation, times: int = 1, stray: bool = False) -> None:
        """Sensors see the next parts, or miss them."""
        for confirmation in seen * times:
            number = 0 if stray else len(self._confirmations) + 1
            record = ConfirmationRecord(number, NOW + number, confirmation, stray)
            self._confirmations.append(record)
            self.tell()

    def stops(self) -> int:
        """How many line stops were requested."""
        return self.driven.link.count_requests(StopLine)

    def acknowledge(self) -> None:
        """The line stood, and an operator lets it run."""
        self.driven.component.handle(LineStopSeen(True))
        self.driven.component.handle(LineStopSeen(False))


def test_so_many_rejects_in_a_row_are_a_fault_until_a_part_passes() -> None:
    line = Line(max_rejects_in_row=3)
    line.act("rejected", "rejected", "passed", "rejected", "rejected")
    assert line.driven.faults().keys() == set()
    line.act("rejected")
    assert "the last one 6 with cause not_ok" in line.driven.faults()["rejects-in-a-row"]
    assert line.stops() == 0
    line.act("rejected", "passed")
    assert "rejects-in-a-row" not in line.driven.faults()


def test_they_stop_the_line_once_and_an_operator_begins_the_row_anew() -> None:
    line = Line(max_rejects_in_row=2, line_stop_if_rejects_in_row=True)
    line.act("rejected", times=5)
    assert line.stops() == 1
    line.acknowledge()
    assert line.driven.faults() == {}
    line.act("rejected")
    assert line.stops() == 1
    line.act("rejected")
    assert line.stops() == 2


def test_without_a_limit_no_row_is_too_long() -> None:
    line = Line(line_stop_if_rejects_in_row=True)
    line.act("rejected", times=200)
    assert line.driven.faults() == {}
    assert line.stops() == 0


def test_what_was_rejected_while_the_plc_was_away_is_no_row() -> None:
    line = Line(max_rejects_in_row=3, line_stop_if_rejects_in_row=True)
    line.act("rejected", "rejected")
    line.driven.disconnect()
    line._outcomes += [GateRecord(n, "rejected", NOW + n, "heartbeat") for n in range(3, 20)]
    line.connect()
    line.act("rejected", "rejected")
    assert line.stops() == 0
    line.act("rejected")
    assert line.stops() == 1


def test_what_a_paused_station_rejects_is_no_row() -> None:
    line = Line(max_rejects_in_row=2, line_stop_if_rejects_in_row=True)
    line.driven.deliver_mode("paused")
    line.act("rejected", times=9)
    line.driven.deliver_mode("production")
    line.act("rejected")
    assert line.stops() == 0


@pytest.mark.parametrize(
    ("confirmation", "stray", "code", "text"),
    [
        ("not_arrived", False, "reject-not-confirmed", "part 2"),
        ("unexpected", False, "reject-unexpected", "part 2"),
        ("unexpected", True, "reject-unexpected", "something that is no part"),
    ],
)
@pytest.mark.parametrize("stops", [False, True])
def test_a_part_that_goes_astray_is_a_fault_and_a_line_stop_if_configured(
    confirmation: GateConfirmation, stray: bool, code: str, text: str, stops: bool
) -> None:
    line = Line(line_stop_if_not_confirmed=stops)
    line.see("confirmed")
    line.see(confirmation, stray=stray)
    assert text in line.driven.faults()[code]
    assert line.stops() == stops
    line.acknowledge()
    assert line.driven.faults() == {}


def test_a_fault_that_nobody_acknowledges_ends_when_parts_arrive_again() -> None:
    line = Line()
    line.see("not_arrived")
    line.see("confirmed", times=(CONFIRMED_AGAIN - 1))
    assert "reject-not-confirmed" in line.driven.faults()
    line.see("confirmed")
    assert line.driven.faults() == {}


def test_of_many_parts_astray_the_last_are_named_and_the_others_counted() -> None:
    line = Line()
    line.see("not_arrived", times=8)
    assert (
        "part 4, part 5, part 6, part 7, part 8 and 3 before"
        in (line.driven.faults()["reject-not-confirmed"])
    )
    assert line.driven.counter("parts_not_arrived") == 8


def test_what_went_astray_before_the_station_began_stops_no_line_but_reaches_the_records() -> None:
    line = Line(line_stop_if_not_confirmed=True)
    record = ConfirmationRecord(7, NOW, "not_arrived")
    line.driven.disconnect()
    line._confirmations.append(record)
    line.connect()
    assert line.stops() == 0
    told = [
        message
        for message in line.driven.exchange.messages_on(GATE_CONFIRMED)
        if isinstance(message, GateConfirmed)
    ]
    assert [(m.part_number, m.acted_utc_ns, m.confirmation) for m in told] == [
        (7, NOW, "not_arrived")
    ]


def test_a_bin_of_which_nobody_knows_is_a_fault_and_no_line_stop() -> None:
    line = Line()
    line.driven.component.handle(BinFullSeen(None))
    assert "cannot tell" in line.driven.faults()["reject-bin-full"]
    assert line.stops() == 0
    line.driven.component.handle(BinFullSeen(False))
    assert line.driven.faults() == {}


def test_outcomes_and_confirmations_of_a_plc_that_tells_them_are_read_for_a_new_publisher() -> None:
    prefix = "nsu=urn:sightline:plc;s=Confirmation."
    nodes = PlcNodes(
        confirmation_numbers=prefix + "Numbers",
        confirmation_times=prefix + "Times",
        confirmation_results=prefix + "Results",
        confirmation_counter=prefix + "Counter",
    )
    link = LinkConfiguration()
    link = msgspec.structs.replace(link, opcua=msgspec.structs.replace(link.opcua, nodes=nodes))
    for configured, reads in ((link, 1), (LinkConfiguration(), 0)):
        line = Line(link=configured)
        line.driven.deliver_recorded(begins=True)
        assert line.driven.link.count_requests(ReadConfirmations) == reads


def test_columns_that_do_not_fit_or_hold_unknown_results_are_refused_in_words() -> None:
    assert build_confirmations([1, 0, 5], [10, 20, 0], [1, 4, 0]) == (
        ConfirmationRecord(1, 10, "confirmed"),
        ConfirmationRecord(0, 20, "unexpected", True),
    )
    with pytest.raises(MachineLinkError, match="2 numbers, 1 times, 2 results"):
        build_confirmations([1, 2], [1], [1, 1])
    with pytest.raises(MachineLinkError, match=r"hold result 9; known are \[1, 2, 3, 4\]"):
        build_confirmations([1], [1], [9])


def test_half_a_confirmation_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="set all or none"):
        PlcNodes(confirmation_counter="ns=2;i=1")
    with pytest.raises(ValueError, match="set both or neither"):
        PlcRegisters(confirmations=800)


def test_an_outcome_names_its_trigger_unless_it_may_be_an_earlier_parts() -> None:
    driven = EquipmentUnderTest()
    driven.connect()
    for number in (1, 2):
        driven.deliver_counter(number, counted_utc_ns=NOW + number)
    records = tuple(
        GateRecord(number, "rejected", acted, "no_verdict")
        for number, acted in ((1, NOW + 9), (2, NOW + 1), (3, NOW + 9))
    )
    driven.component.handle(OutcomesRead(3, records))
    told = [m for m in driven.exchange.messages_on(GATE_ACTED) if isinstance(m, GateActed)]
    assert [m.counted_utc_ns for m in told] == [NOW + 1, None, None]
    driven.deliver_counter(0)  # the PLC counts anew
    driven.deliver_recorded(begins=True)
    driven.component.handle(OutcomesRead(3, records))
    told = [m for m in driven.exchange.messages_on(GATE_ACTED) if isinstance(m, GateActed)]
    assert [m.counted_utc_ns for m in told[3:]] == [None] * 3
