"""What a run's summary is made from, read from the cloud side and the nucleus."""

from collections.abc import Mapping
from typing import Any

from hil.run.station import OneMachine

PAGE_PARTS = 500


def verdicts_by_number(machine: OneMachine) -> dict[int, str]:
    """Each part's verdict as the cloud side has it, by part number."""
    verdicts: dict[int, str] = {}
    query = f"/api/parts?limit={PAGE_PARTS}"
    while True:
        answer = machine.cloud(query)
        for part in answer["parts"]:
            verdicts[int(part["partNumber"])] = str(part["verdict"])
        if answer.get("next") is None:
            return verdicts
        query = f"/api/parts?limit={PAGE_PARTS}&before={answer['next']}"


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
