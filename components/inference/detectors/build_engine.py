"""`python -m inference.detectors.build_engine MODEL --out FILE`: a TensorRT engine from a model file.

A process of its own, at low priority: it takes minutes on a Jetson, and parts pass meanwhile. Each step
is reported as a line `progress SHARE PHASE`. It needs no GPU under tensorrt-rtx.
"""

import argparse
import importlib
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sightline.errors import ModelError, SightlineError
from sightline.kernel.background import NICENESS

TENSORRT_LIBRARIES = ("tensorrt", "tensorrt_rtx")
BuildProgressCallback = Callable[[float, str], None]


def load_tensorrt() -> Any:
    """`tensorrt` where it is installed (JetPack), else `tensorrt_rtx`; ModelError if neither is."""
    for name in TENSORRT_LIBRARIES:
        try:
            library = importlib.import_module(name)
        except ImportError:
            continue
        if hasattr(library, "Builder"):  # on PyPI, tensorrt without its libraries is an empty shell
            return library
    raise ModelError(
        "TensorRT is not installed: it is part of JetPack; elsewhere install tensorrt-rtx"
    )


def read_library_version(library: Any) -> str:
    """The library's name and version, as engines are tied to both."""
    return f"{library.__name__} {library.__version__}"


def build_engine(model: Path, report: BuildProgressCallback) -> bytes:
    """The serialized engine of a model file; ModelError in TensorRT's words if it will not have it."""
    import onnx  # late: only this runtime needs it
    from google.protobuf.message import DecodeError

    from inference.detectors.tensorrt_graph import convert_for_tensorrt, find_low_precisions

    library = load_tensorrt()
    log = _create_error_logger(library)
    builder = library.Builder(log)
    network = builder.create_network(_network_flags(library))
    parser = library.OnnxParser(network, log)
    try:
        graph = convert_for_tensorrt(onnx.load(model), activations=True)
    except (OSError, DecodeError) as error:
        raise ModelError(f"{model} is not a model: {error}") from error
    if not parser.parse(graph.SerializeToString()):
        reasons = "; ".join(str(parser.get_error(i).desc()) for i in range(parser.num_errors))
        raise ModelError(f"{model}: TensorRT cannot read it: {reasons[:500]}")
    configuration = builder.create_builder_config()
    _allow_precisions(library, configuration, find_low_precisions(graph))
    if hasattr(library, "IProgressMonitor"):
        configuration.progress_monitor = _create_progress_monitor(library, report)
    engine = builder.build_serialized_network(network, configuration)
    if engine is None:
        raise ModelError(f"{model}: TensorRT cannot build it: {log.last}")
    report(1.0, "built")
    return bytes(engine)


def build_in_subprocess(model: Path, out: Path, report: BuildProgressCallback) -> bytes:
    """`build` in a process of its own; ModelError with its last words if that fails."""
    command = [sys.executable, "-m", __spec__.name, str(model), "--out", str(out)]
    words: deque[str] = deque(maxlen=5)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            kind, _, rest = line.rstrip().partition(" ")
            if kind == "progress":
                share, _, phase = rest.partition(" ")
                report(float(share), phase)
            else:
                words.append(line.rstrip())
    if process.returncode != 0:
        raise ModelError(f"no engine of {model}: {' '.join(words) or process.returncode}")
    try:
        return out.read_bytes()
    finally:
        out.unlink()


def _network_flags(library: Any) -> int:
    """Precision lies in the file where TensorRT knows that (from 10 on); else batches are explicit."""
    kinds = library.NetworkDefinitionCreationFlag
    if hasattr(kinds, "STRONGLY_TYPED"):
        return 1 << int(kinds.STRONGLY_TYPED)
    return 1 << int(kinds.EXPLICIT_BATCH)


def _allow_precisions(library: Any, configuration: Any, precisions: Sequence[str]) -> None:
    """Allow those that the file's own types ask for, where TensorRT does not go by these alone.

    It would take 16 bits for a file of 32, and wants ranges for 8 bits from a file that has none.
    """
    if hasattr(library.NetworkDefinitionCreationFlag, "STRONGLY_TYPED"):
        return
    for name in precisions:
        configuration.set_flag(getattr(library.BuilderFlag, name))


def _create_error_logger(library: Any) -> Any:
    class LastErrorLogger(library.ILogger):  # type: ignore[misc]
        """Keeps the last error for the refusal."""

        def __init__(self) -> None:
            super().__init__()
            self.last = ""

        def log(self, severity: Any, text: str) -> None:
            """TensorRT's word."""
            if severity <= library.ILogger.ERROR and "cudaError" not in text:
                self.last = text

    return LastErrorLogger()


def _create_progress_monitor(library: Any, report: BuildProgressCallback) -> Any:
    class EngineBuildMonitor(library.IProgressMonitor):  # type: ignore[misc]
        """Shares of the outermost phase."""

        def __init__(self) -> None:
            super().__init__()
            self._steps: dict[str, int] = {}

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            """A phase of so many steps."""
            if parent is None:
                self._steps[name] = max(1, steps)
                report(0.0, name)

        def step_complete(self, name: str, step: int) -> bool:
            """Go on."""
            if name in self._steps:
                report(min(0.99, (step + 1) / self._steps[name]), name)
            return True

        def phase_finish(self, name: str) -> None:
            """A phase is through."""
            self._steps.pop(name, None)

    return EngineBuildMonitor()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m inference.detectors.build_engine", description=__doc__
    )
    parser.add_argument("model", type=Path, help="model.onnx")
    parser.add_argument("--out", type=Path, required=True, help="file for the engine")
    given = parser.parse_args(arguments)
    os.nice(NICENESS)

    def report(share: float, phase: str) -> None:
        sys.stdout.write(f"progress {share:.2f} {phase}\n")
        sys.stdout.flush()

    try:
        given.out.write_bytes(build_engine(given.model, report))
    except SightlineError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
