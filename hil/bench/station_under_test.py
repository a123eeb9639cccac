"""The station under test: the whole suite with the bench's cameras, and the results of its parts."""

import contextlib
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.bench.bench_description import BenchDescription
from hil.bench.thermal_log import ThermalLog
from hil.replay.frame_files import decode_frame
from hil.replay.recorded_station import add_recorder, run_parts, write_json
from hil.replay.segment import (
    FRAMES,
    MESSAGES,
    RecordedMessage,
    RunSegment,
    load_messages,
    load_segment,
)
from hil.run.deployed_models import read_deployed_models
from hil.run.local_station import LocalStation
from hil.run.run_arguments import REPOSITORY, RunArguments, parse_run_arguments
from hil.run.summary_baseline import compute_latencies
from hil.run.terminal_progress import TerminalProgress
from sightline.messaging.topics import CAPTURE, EQUIPMENT, INFERENCE

Json = dict[str, Any]
BENCH_POLL_S = 0.5  # each look costs an emulated machine as much as a real one thirty


def build_run_arguments(bench: BenchDescription, folder: Path) -> RunArguments:
    """Build the arguments of `python -m hil.run` for the bench's cameras, PLC and runtime."""
    protocol = bench.plc.protocol if bench.plc is not None else "modbus"
    rate, parts = bench.expected.parts_per_second, bench.expected.fed_parts
    words = ["--plc", protocol, "--port", "0", "--rate", f"{rate}", "--parts", f"{parts}"]
    station = f"bench-{uuid.uuid4().hex[:8]}"
    run = parse_run_arguments([*words, "--folder", str(folder / "run"), "--station", station])
    merges: dict[str, Json] = {CAPTURE: bench.build_capture_merge()}
    merges[INFERENCE] = {"cameras": list(bench.cameras)}
    if bench.gpu is not None:
        merges[INFERENCE]["models"] = [
            {**model, "runtime": "tensorrt"} for model in read_deployed_models(run.deployment)
        ]
    if bench.plc is not None:
        link = {"kind": protocol, protocol: {"endpoint": bench.plc.endpoint}}
        merges[EQUIPMENT] = {"link": link}
    for component, values in bench.merges.items():
        merges[component] = {**merges.get(component, {}), **values}
    schedule = write_json(folder / "schedule.json", [n / rate for n in range(parts)])
    plant = (
        *("--schedule", str(schedule), "--speed", "0.5"),
        *("--gate-distance", f"{bench.expected.time_to_gate_s / 2}"),
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
class BenchRunResult:
    """The results of a bench's parts."""

    messages: list[RecordedMessage]
    records: list[Json]

    def messages_on(self, stream: str) -> list[Json]:
        """A stream's messages, in order."""
        return [noted.message for noted in self.messages if noted.stream == stream]

    def p99_ms(self, figure: str) -> float | None:
        """The 99th percentile of a latency of the run."""
        return compute_latencies(self.records)[figure]["p99"]


class BenchStation:
    """One station for all tests of a session."""

    def __init__(self, bench: BenchDescription, folder: Path) -> None:
        self.bench = bench
        self._recording = folder / "recording"
        run = add_recorder(
            build_run_arguments(bench, folder), self._recording, tuple(bench.cameras), False
        )
        self._machine = LocalStation(run, folder)
        self._timeout_s = run.ready_timeout_s
        self._loops: list[Any] = []
        self._frames: dict[int, list[NDArray[np.uint8]]] = {}
        self.thermal = ThermalLog(folder / "thermal.csv")

    def start(self) -> None:
        """Start the station; returns when every component is ready and every camera streams."""
        self._machine.start()
        self._machine.wait_until_ready(self._timeout_s)
        self.wait_for("all cameras", lambda: all(map(self.is_streaming, self.bench.cameras)))

    def stop(self) -> None:
        """Stop the station."""
        self._machine.stop()
        for loop in self._loops:
            with contextlib.suppress(OSError):  # what was unplugged has no node to close
                loop.close()

    def run_all_parts(self) -> BenchRunResult:
        """Run the bench's parts; cameras with loops see the segment's pictures."""
        parts, way_s = self.bench.expected.fed_parts, self.bench.expected.time_to_gate_s
        whole_s = parts / self.bench.expected.parts_per_second + 3 * way_s + 60
        progress = TerminalProgress()
        self.thermal.start()
        try:
            if not self.bench.segment:
                run_parts(self._machine, self._recording, parts, progress, whole_s)
            else:
                segment = load_segment(REPOSITORY / self.bench.segment)
                self._show_all_parts(segment, parts, progress, whole_s)
        finally:
            self.thermal.stop()
        return BenchRunResult(
            load_messages(self._recording / MESSAGES), self._machine.fetch_records()
        )

    def show_part(self, segment: RunSegment, place: int) -> None:
        """Show a part's pictures to the cameras."""
        from hil.rig.hdmi_loop import HdmiLoop, show_frames  # late: linuxpy is an extra

        described = self.bench.cameras
        if not self._loops:
            size = (segment.width, segment.height)
            self._loops = [HdmiLoop(c.loop, c.node, *size) for c in described.values()]
        show_frames(self._loops, self._decode_part_frames(segment, place))

    def health(self, component: str = CAPTURE) -> Json:
        """A component's latest health report."""
        told: Json = self._machine.fetch_cloud_summary().get("health", {}).get(component, {})
        return told

    def is_streaming(self, camera: str) -> bool:
        """Whether capture receives frames of the camera."""
        return bool(self.health().get("gauges", {}).get(f"camera_streams_{camera}") == 1.0)

    def dropped_frames(self, camera: str) -> int:
        """Frames missing in the driver's sequence, as counted by capture."""
        return int(self.health().get("counters", {}).get(f"frames_dropped_{camera}", 0))

    def faults(self) -> dict[str, str]:
        """Capture's faults by code."""
        return {fault["code"]: fault["text"] for fault in self.health().get("faults", ())}

    def wait_for(self, what: str, holds: Callable[[], bool], timeout_s: float = 0.0) -> None:
        """Wait until a condition holds; AssertionError with its name on timeout."""
        deadline_s = time.monotonic() + (timeout_s or self._timeout_s)
        while not holds():
            self._machine.check_processes()
            assert time.monotonic() < deadline_s, (
                f"timed out waiting for {what}; faults: {self.faults()}"
            )
            time.sleep(BENCH_POLL_S)

    def _decode_part_frames(self, segment: RunSegment, place: int) -> list[NDArray[np.uint8]]:
        """A part's frames by camera; cached, since decoding takes seconds on an emulated machine."""
        if place not in self._frames:
            folder, frames = REPOSITORY / self.bench.segment / FRAMES, segment.parts[place].frames
            self._frames[place] = [
                decode_frame(folder / frames[c].file) for c in self.bench.cameras
            ]
        return self._frames[place]

    def _show_all_parts(
        self, segment: RunSegment, parts: int, progress: TerminalProgress, timeout_s: float
    ) -> None:
        for place in range(1, parts):
            self._decode_part_frames(
                segment, place
            )  # now, so that each is shown in time for its part
        self._machine.send_plant_command("start")
        for place in range(parts):
            self.wait_for(f"part {place + 1}", partial(self._is_captured, place), timeout_s)
            progress.print_line(f"part {place + 1} captured")
            if place + 1 < parts:
                self.show_part(segment, place + 1)
        run_parts(self._machine, self._recording, parts, progress, timeout_s)

    def _is_captured(self, part: int) -> bool:
        """Whether more than this many parts were captured."""
        return self._count_captured() > part

    def _count_captured(self) -> int:
        messages = load_messages(self._recording / MESSAGES)
        return sum(noted.stream == "PartCaptured" for noted in messages)
