"""fp32 against int8 in one run, ways to run ONNX Runtime, and what a station with int8 models sustains."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from hil.run.sizing import (
    LAPTOP,
    ModelChoice,
    StationTrials,
    TrialResult,
    build_sizing_report,
    format_sizing_report,
)
from sightline.cpu_features import has_fast_int8

REPOSITORY = Path(__file__).resolve().parents[2]
MODELS = REPOSITORY / "components" / "models"
ROUNDS = 200
MIN_RATIO = 1.7
Run = Callable[[], Any]


def build_session(
    folder: Path, threads: int = 1, spinning: bool = False, arena: bool = True
) -> Any:
    """A model in a session of its own."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = arena
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    providers = ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=providers)


def picture_for(session: Any) -> np.ndarray:
    """Any picture of the model's size."""
    shape = session.get_inputs()[0].shape
    picture: np.ndarray = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    return picture


def plain(session: Any) -> Run:
    """One run as it is served."""
    image = picture_for(session)
    return lambda: session.run(("boxes", "scores"), {"image": image})


def bound(session: Any) -> Run:
    """One run with input and outputs bound to memory once."""
    binding, image = session.io_binding(), picture_for(session)
    outputs = {o.name: np.empty(o.shape, np.float32) for o in session.get_outputs()}
    binding.bind_input("image", "cpu", 0, np.uint8, image.shape, image.ctypes.data)
    for name, place in outputs.items():
        binding.bind_output(name, "cpu", 0, np.float32, place.shape, place.ctypes.data)

    def run() -> Any:
        session.run_with_iobinding(binding)
        return image, outputs  # alive as long as the run is

    return run


def in_turn(runs: dict[str, Run], rounds: int = ROUNDS) -> dict[str, float]:
    """The median of each in milliseconds, when they take turns."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - started) * 1000)
    return {name: round(float(np.median(taken)), 3) for name, taken in times.items()}


needs_int8 = pytest.mark.skipif(
    not has_fast_int8() or not (MODELS / "surface" / "int8").is_dir(),
    reason="this CPU has no 8-bit dot products (VNNI), or no int8 models are here",
)


@needs_int8
def test_int8_is_faster_than_fp32(benchmark: BenchmarkFixture) -> None:
    runs = {
        f"{name} {precision}": plain(build_session(MODELS / name / suffix))
        for name in ("surface", "cap")
        for precision, suffix in (("fp32", ""), ("int8", "int8"))
    }
    medians: dict[str, float] = benchmark.pedantic(  # type: ignore[no-untyped-call]
        in_turn, args=(runs,), rounds=1, iterations=1
    )
    whole = {p: sum(v for k, v in medians.items() if k.endswith(p)) for p in ("fp32", "int8")}
    ratio = whole["fp32"] / whole["int8"]
    benchmark.extra_info.update({**medians, "ratio": round(ratio, 2)})
    print(f"\n  {medians}  both: {ratio:.2f} times as fast")
    assert ratio >= MIN_RATIO


def test_ways_to_run_onnx_runtime(benchmark: BenchmarkFixture) -> None:
    folder = MODELS / "surface" / ("int8" if has_fast_int8() else "")
    runs = {
        "one thread, as served": plain(build_session(folder)),
        "bound memory": bound(build_session(folder)),
        "no arena": plain(build_session(folder, arena=False)),
        "two threads": plain(build_session(folder, threads=2)),
    }
    medians: dict[str, float] = benchmark.pedantic(  # type: ignore[no-untyped-call]
        in_turn, args=(runs,), rounds=1, iterations=1
    )
    # by itself: its threads go on spinning when it is done, and would hold up the others
    spinning = plain(build_session(folder, threads=2, spinning=True))
    medians |= in_turn({"two threads, spinning": spinning})
    benchmark.extra_info.update(medians)
    print("\n" + "\n".join(f"  {name:24} {value} ms" for name, value in medians.items()))


@needs_int8
@pytest.mark.timeout(400)
@pytest.mark.parametrize("rate_hz", [5, 20])
def test_a_station_with_int8_models_for_a_minute(
    benchmark: BenchmarkFixture, tmp_path: Path, rate_hz: int
) -> None:
    machine = StationTrials(tmp_path, LAPTOP, ModelChoice(precision="int8"))
    told: TrialResult | None = benchmark.pedantic(  # type: ignore[no-untyped-call]
        machine.run_trial, args=(rate_hz, 60.0), rounds=1, iterations=1
    )
    assert told is not None, "a part was missed, or the run failed"
    found = build_sizing_report(rate_hz, False, told)
    overhead = told.summary["latency_ms"]["overhead"]
    benchmark.extra_info.update({**found, "overhead_ms": overhead})
    print(f"\n{format_sizing_report(found)}\n  beside the models {overhead}")
