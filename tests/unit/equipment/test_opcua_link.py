"""The link against a real OPC UA server: order of writes, restart, a stalled loop, absence, back-off."""

import itertools
import socket
import threading
import time
from collections.abc import Callable

from asyncua import ua

from equipment.configuration import EquipmentConfiguration
from equipment.links.link import Beat, LinkDown, VerdictOrder, VerdictTooLate
from equipment.links.opcua import OpcuaLink
from equipment.links.opcua_configuration import OpcuaConfiguration
from sightline.bus import Inbox
from sightline.clock import SystemClock
from tests.faults.factory import RunningEquipment, link_to, running_equipment, wait_for
from tests.unit.equipment.odd_plc import OddPlc, odd_plc

S = 1_000_000_000
UINT32 = ua.VariantType.UInt32


def test_the_registers_are_written_first_and_the_strobe_last_and_it_counts_on(
    plc: OddPlc, equipment: RunningEquipment
) -> None:
    equipment.judge(7, "ok")
    equipment.judge(8, "defect")
    wait_for("two verdicts", lambda: len(plc.writes("Verdict.Strobe")) == 2)
    assert plc.writes("Verdict.") == [
        ("Verdict.PartNumber", 7),
        ("Verdict.Code", 1),
        ("Verdict.Strobe", 1),
        ("Verdict.PartNumber", 8),
        ("Verdict.Code", 2),
        ("Verdict.Strobe", 2),
    ]


def test_after_a_restart_the_strobe_and_the_heartbeat_go_on_from_where_they_stood(
    plc: OddPlc,
) -> None:
    plc.put("Verdict.Strobe", 2**32 - 1, UINT32)
    plc.put("Station.Heartbeat", 2**32 - 1, UINT32)
    plc.written.clear()
    with running_equipment(plc.endpoint) as equipment:
        equipment.wait_until_ready()
        equipment.judge(7, "ok")
        wait_for("the verdict", lambda: bool(plc.writes("Verdict.Strobe")))
        wait_for("beats", lambda: len(plc.writes("Station.Heartbeat")) >= 3)
    assert plc.writes("Verdict.Strobe") == [("Verdict.Strobe", 0)]
    assert [value for _, value in plc.writes("Station.Heartbeat")][:3] == [0, 1, 2]


def test_a_loop_that_stalls_beats_no_more_and_one_that_goes_on_does(
    plc: OddPlc, equipment: RunningEquipment
) -> None:
    wait_for("beats", lambda: len(plc.writes("Station.Heartbeat")) >= 3)
    equipment.hang()
    beats = settled(lambda: len(plc.writes("Station.Heartbeat")))
    equipment.hang(False)
    wait_for("more beats", lambda: len(plc.writes("Station.Heartbeat")) > beats)


def settled(count: Callable[[], int]) -> int:
    """What a number stands at after half a second without change."""
    value, since = count(), time.monotonic()

    def holds() -> bool:
        nonlocal value, since
        if count() != value:
            value, since = count(), time.monotonic()
        return time.monotonic() - since > 0.5

    wait_for("the number settles", holds)
    return value


def test_a_new_configuration_leaves_the_old_plc_for_the_new(
    plc: OddPlc, equipment: RunningEquipment
) -> None:
    with odd_plc() as other:
        link = link_to(other.endpoint)
        equipment.reconfigure(EquipmentConfiguration(link=link, equipment_id="conveyor-2"))
        wait_for("beats there", lambda: bool(other.writes("Station.Heartbeat")))
        equipment.wait_until_ready()
        beats = settled(lambda: len(plc.writes("Station.Heartbeat")))
        plc.put("Line.PartCounter", 9, UINT32)
        other.put("Line.PartCounter", 3, UINT32)
        wait_for("its trigger", lambda: [t.counter for t in equipment.triggered()] == [3])
        assert len(plc.writes("Station.Heartbeat")) == beats
        assert equipment.faults() == {}


class DeafServer:
    """Accepts connections and closes them at once; notes when."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.called_at_s: list[float] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.called_at_s.append(time.monotonic())
            connection.close()

    def stop(self) -> None:
        """Listen no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


def test_a_server_that_hangs_up_is_called_again_ever_more_seldom() -> None:
    server, inbox = DeafServer(), Inbox()
    endpoint = f"opc.tcp://127.0.0.1:{server.port}/"
    configuration = OpcuaConfiguration(
        endpoint=endpoint, first_retry_s=0.05, longest_retry_s=0.8, request_timeout_s=0.3
    )
    link = OpcuaLink(configuration, (), inbox, SystemClock())
    link.start()
    try:
        wait_for("six calls", lambda: len(server.called_at_s) >= 6)
    finally:
        link.close()
        server.stop()
    pauses = [b - a for a, b in itertools.pairwise(server.called_at_s)]
    assert pauses[4] >= 0.4  # at least half of 0.8 s
    reasons = [e.reason for e in iter(lambda: inbox.take(0), None) if isinstance(e, LinkDown)]
    assert len(reasons) >= 5
    assert all(reason.startswith(endpoint) for reason in reasons)


def test_a_verdict_for_a_plc_that_is_away_comes_back_as_too_late() -> None:
    inbox, nobody = Inbox(), socket.socket()
    nobody.bind(("127.0.0.1", 0))  # taken, but nobody listens
    configuration = OpcuaConfiguration(endpoint=f"opc.tcp://127.0.0.1:{nobody.getsockname()[1]}/")
    link = OpcuaLink(configuration, (), inbox, SystemClock())
    link.start()
    order = VerdictOrder(7, "ok", time.monotonic_ns() + S)
    link.request(Beat())
    link.request(order)
    events: list[object] = []

    def came() -> bool:
        events.append(inbox.take(0))
        return any(isinstance(event, VerdictTooLate) and event.order == order for event in events)

    wait_for("the verdict comes back", came)
    link.close()
    nobody.close()
    link.request(order)  # after the end it is dropped without a word


def test_a_verdict_whose_time_is_over_when_its_turn_comes_is_not_written(
    plc: OddPlc, equipment: RunningEquipment
) -> None:
    margin_ns = 20_000_000
    equipment.judge(7, "ok", deadline_monotonic_ns=time.monotonic_ns() + margin_ns)
    wait_for(
        "it is held back",
        lambda: equipment.health.report().counters.get("verdicts_not_forwarded", 0) == 1,
    )
    assert plc.writes("Verdict.Strobe") == []
