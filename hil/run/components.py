"""What a run's summary says of the components, from the nucleus."""

from collections.abc import Mapping
from typing import Any


def component_figures(nucleus: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Restarts, CPU seconds and memory per component that has a process."""
    return {
        name: {
            "restarts": int(component["restarts"]),
            "cpu_seconds": float(component["cpu_seconds"]),
            "max_rss_mib": float(component["max_rss_mib"]),
            "state": str(component["state"]),
        }
        for name, component in nucleus["components"].items()
    }
