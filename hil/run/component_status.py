"""Component figures for a run's summary, from the nucleus's status."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

RESTART_COMMAND = "python -m hil.nucleus.restart"


def build_component_figures(nucleus: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Restarts, CPU seconds and memory of each component."""
    return {
        name: {
            "restarts": int(component["restarts"]),
            "cpu_seconds": float(component["cpu_seconds"]),
            "max_rss_mib": float(component["max_rss_mib"]),
            "state": str(component["state"]),
            **{key: component[key] for key in ("reason", "last_words") if component.get(key)},
        }
        for name, component in nucleus["components"].items()
    }


class BrokenComponentWatch:
    """Reports each broken component once, and each that recovers."""

    def __init__(self, folder: Path) -> None:
        self._root = folder / "nucleus"
        self._known: set[str] = set()

    def describe_changes(self, nucleus: Mapping[str, Any]) -> list[str]:
        """Describe what changed since the last call."""
        components = nucleus["components"]
        broken = {
            name
            for name, one in components.items()
            if one["state"] == "BROKEN" or (one["state"] == "FINISHED" and one.get("reason"))
        }
        words = [
            f"{describe_broken_component(name, components[name])}\n"
            f"      It is not restarted automatically. Restart it with: {RESTART_COMMAND} "
            f"--root {self._root} {name}"
            for name in sorted(broken - self._known)
        ]
        words += [f"{name} is running again." for name in sorted(self._known - broken)]
        self._known = broken
        return words


def describe_broken_component(name: str, component: Mapping[str, Any]) -> str:
    """Describe a broken or failing component; empty if it is neither."""
    state, reason = str(component.get("state")), str(component.get("reason") or "")
    if state not in ("BROKEN", "ERRORED") and not reason:
        return ""
    words = f"{name} is {state}"
    if reason:
        words += f": {reason}"
    said = component.get("last_words") or []
    return words + "".join(f"\n      {line}" for line in said)
