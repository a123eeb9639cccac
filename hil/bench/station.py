"""The station of a bench: the whole suite with the bench's cameras, its parts, and what came of them."""

import contextlib
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.bench.description import Bench
from hil.bench.thermal import ThermalLog
from hil.replay.frames import decode_frame
from hil.replay.segment import FRAMES, MESSAGES, Noted, Segment, load_messages, load_segment
from hil.replay.station import run_parts, with_recorder, write_json
from hil.run.arguments import REPOSITORY, RunArguments, parse
from hil.run.progress import Progress
from hil.run.station import OneMachine
from hil.run.this_run import latencies
from sightline.topics import CAPTURE, EQUIPMENT, INFERENCE

Json = dict[str, Any]
BENCH_POLL_S = 0.5  # each look costs an emulated machine as much as a real one thirty


def arguments_of(bench: Bench, folder: Path) -> RunArguments:
    """The run of `python -m hil.run` with the bench's cameras, PLC and runtime."""
    protocol = bench.plc.protocol if bench.plc is not None else "modbus"
    rate, parts = bench.expected.parts_per_second, bench.expected.fed_parts
    words = ["--plc", protocol, "--port", "0", "--rate", f"{rate}", "--parts", f"{parts}"]
    station = f"bench-{uuid.uuid4().hex[:8]}"
    run = parse([*words, "--folder", str(folder / "run"), "--station", station])
    merges: dict[str, Json] = {CAPTURE: bench.capture_merge()}
    merges[INFERENCE] = {"cameras": list(bench.cameras)}
    if bench.gpu is not None:
        names = ("surface", "cap")
        merges[INFERENCE]["models"] = [{"name": name, "runtime": "tensorrt"} for name in names]
    if bench.plc is not None:
        link = {"kind": protocol, protocol: {"endpoint": bench.plc.endpoint}}
        merges[EQUIPMENT] = {"link": link}
    for component, values in bench.merges.items():
        merges[component] = {**merges.get(component, {}), **values}
    schedule = write_json(folder / "schedule.json", [n / rate for n in range(parts)])
    plant = (
        *("--schedule", str(schedule), "--speed", "0.5"),
        *("--gate-distance", f"{bench.expected.way_to_gate_s / 2}"),
        *("--heartbeat-timeout", f"{bench.expected.heartbeat_timeout_s}"),
    )
    return replace(
        run,
        merges=merges,
        first_number=1,
        plant=plant,
        ready_timeout_s=bench.expected.ready_s,
        up_timeout_s=bench.expected.ready_s,
        poll_s=BENCH_POLL_S,
    )


@dataclass(frozen=True)
class Outcome:
    """What came of a bench's parts."""

    messages: list[Noted]
    records: list[Json]

    def of_stream(self, stream: str) -> list[Json]:
        """The messages of a stream, in order."""
        return [noted.message for noted in self.messages if noted.stream == stream]

    def p99_ms(self, figure: str) -> float | None:
        """The 99th percentile of one of the run's latencies."""
        return latencies(self.records)[figure]["p99"]


class BenchStation:
    """One station for all tests of a session."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench = bench
        self._recording = folder / "recording"
        run = with_recorder(
            arguments_of(bench, folder), self._recording, tuple(bench.cameras), False
        )
        self._machine = OneMachine(run, folder)
        self._timeout_s = run.ready_timeout_s
        self._shown: list[Any] = []
        self._frames: dict[int, list[NDArray[np.uint8]]] = {}
        self.thermal = ThermalLog(folder / "thermal.csv")

    def start(self) -> None:
        """Bring it up; returns when each component is ready and each camera streams."""
        self._machine.start()
        self._machine.wait_until_ready(self._timeout_s)
        self.wait_for("all cameras", lambda: all(map(self.streams, self.bench.cameras)))

    def stop(self) -> None:
        """Take it down."""
        self._machine.stop()
        for loop in self._shown:
            with contextlib.suppress(OSError):  # what was unplugged has no node to close
                loop.close()

    def let_parts_pass(self) -> Outcome:
        """The bench's parts, with the segment's pictures before the cameras where they have loops."""
        parts, way_s = self.bench.expected.fed_parts, self.bench.expected.way_to_gate_s
        whole_s = parts / self.bench.expected.parts_per_second + 3 * way_s + 60
        progress = Progress()
        self.thermal.start()
        try:
            if not self.bench.segment:
                run_parts(self._machine, self._recording, parts, progress, whole_s)
            else:
                segment = load_segment(REPOSITORY / self.bench.segment)
                self._show_each(segment, parts, progress, whole_s)
        finally:
            self.thermal.stop()
        return Outcome(load_messages(self._recording / MESSAGES), self._machine.records())

    def show(self, segment: Segment, place: int) -> None:
        """Put a part's pictures before the cameras."""
        from hil.rig.hdmi_loop import HdmiLoop, show_all  # late: linuxpy is an extra

        described = self.bench.cameras
        if not self._shown:
            size = (segment.width, segment.height)
            self._shown = [HdmiLoop(c.loop, c.node, *size) for c in described.values()]
        show_all(self._shown, self._decoded(segment, place))

    def health(self, component: str = CAPTURE) -> Json:
        """What a component told last."""
        told: Json = self._machine.cloud_summary().get("health", {}).get(component, {})
        return told

    def streams(self, camera: str) -> bool:
        """Whether capture has frames of the camera."""
        return bool(self.health().get("gauges", {}).get(f"camera_streams_{camera}") == 1.0)

    def dropped(self, camera: str) -> int:
        """Frames that were lacking in the driver's sequence, as capture counts them."""
        return int(self.health().get("counters", {}).get(f"frames_dropped_{camera}", 0))

    def faults(self) -> dict[str, str]:
        """Capture's faults by code."""
        return {fault["code"]: fault["text"] for fault in self.health().get("faults", ())}

    def wait_for(self, what: str, holds: Callable[[], bool], timeout_s: float = 0.0) -> None:
        """Wait until a condition holds; AssertionError with its name if it never does."""
        deadline_s = time.monotonic() + (timeout_s or self._timeout_s)
        while not holds():
            self._machine.check_processes()
            assert time.monotonic() < deadline_s, f"waited in vain for {what}: {self.faults()}"
            time.sleep(BENCH_POLL_S)

    def _decoded(self, segment: Segment, place: int) -> list[NDArray[np.uint8]]:
        """A part's frames in the cameras' order; decoded once, for that takes an emulated machine seconds."""
        if place not in self._frames:
            folder, frames = REPOSITORY / self.bench.segment / FRAMES, segment.parts[place].frames
            self._frames[place] = [
                decode_frame(folder / frames[c].file) for c in self.bench.cameras
            ]
        return self._frames[place]

    def _show_each(
        self, segment: Segment, parts: int, progress: Progress, timeout_s: float
    ) -> None:
        for place in range(1, parts):
            self._decoded(segment, place)  # now, so that each is shown in time for its part
        self._machine.tell_plant("start")
        for place in range(parts):
            self.wait_for(f"part {place + 1}", lambda n=place: self._captured() > n, timeout_s)  # type: ignore[misc]
            progress.say(f"part {place + 1} captured")
            if place + 1 < parts:
                self.show(segment, place + 1)
        run_parts(self._machine, self._recording, parts, progress, timeout_s)

    def _captured(self) -> int:
        messages = load_messages(self._recording / MESSAGES)
        return sum(noted.stream == "PartCaptured" for noted in messages)
