"""Terminal output of a run."""

import shutil
import sys
from collections.abc import Mapping
from typing import Any, TextIO

PLAIN_INTERVAL_S = 2.0


class TerminalProgress:
    """A status line: rewritten in place on a terminal, else one line every two seconds."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._live = out.isatty()
        self._last_plain_s = float("-inf")

    def print_line(self, text: str) -> None:
        """Print a permanent line."""
        self._clear_line()
        self._out.write(text + "\n")
        self._out.flush()

    def show_state(self, text: str, now_s: float) -> None:
        """Show the current state."""
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            self._out.write("\r\x1b[2K" + text[:width])
        elif now_s - self._last_plain_s >= PLAIN_INTERVAL_S:
            self._last_plain_s = now_s
            self._out.write(text + "\n")
        self._out.flush()

    def _clear_line(self) -> None:
        if self._live:
            self._out.write("\r\x1b[2K")


def format_state_line(plant: Mapping[str, Any], cloud: Mapping[str, Any], elapsed_s: float) -> str:
    """Format parts, verdicts, rate and latency as one line."""
    parts, latency = cloud["parts"], cloud["latency_ms"]["trigger_to_verdict"]
    counted = int(plant["counted"])
    verdicts = " ".join(f"{name} {parts.get(name, 0)}" for name in ("ok", "defect", "review"))
    others = " ".join(f"{name} {parts.get(name, 0)}" for name in ("missed", "empty"))
    rate = counted / elapsed_s if elapsed_s > 0 else 0.0
    median = latency.get("p50")
    shown = f"{median:.0f} ms" if median is not None else "-"
    return f"{counted} parts | {verdicts} {others} | {rate:.1f}/s | trigger to verdict {shown}"


def format_run_summary(summary: Mapping[str, Any]) -> str:
    """Format the summary as text."""
    lines = ["", "Summary of the run"]
    for title in ("parts", "gate", "records", "defects"):
        if summary[title] is not None:
            lines.append(f"  {title:9} " + "  ".join(f"{k} {v}" for k, v in summary[title].items()))
    for name, figures in summary["latency_ms"].items():
        if figures.get("p50") is not None:
            shown = "  ".join(f"{k} {v:.1f}" for k, v in figures.items() if v is not None)
            lines.append(f"  {name.replace('_', ' '):22} {shown}   (ms)")
    for name, component in summary["components"].items():
        lines.append(
            f"  {name:24} cpu {component['cpu_seconds']:.1f} s  "
            f"memory {component['max_rss_mib']:.0f} MiB  restarts {component['restarts']}"
        )
    return "\n".join(lines)
