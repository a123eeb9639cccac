"""Formats the results as a table."""

from typing import Any

Json = dict[str, Any]
COLUMNS = (
    *("seed", "triggered", "judged", "missed", "records", "lost", "duplicated"),
    *("gate_passed_unjudged", "gate_wrong", "unconfirmed", "longest_outage_s"),
)
COLUMN_HEADS = {
    "gate_passed_unjudged": "unjudged passed",
    "gate_wrong": "gate wrong",
    "longest_outage_s": "outage s",
}


def format_scenario_table(found: Json) -> str:
    """Format all scenarios, one per line."""
    heads = ["scenario", *(COLUMN_HEADS.get(name, name) for name in COLUMNS), ""]
    rows = [
        [name, *(str(result.get(column, "?")) for column in COLUMNS), _format_outcome(result)]
        for name, result in found["scenarios"].items()
    ]
    rows += [[name, *("-" for _ in COLUMNS), "skipped"] for name in found.get("skipped", {})]
    widths = [max(len(row[index]) for row in (heads, *rows)) for index in range(len(heads))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if index == 0 else text.rjust(width)
            for index, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (heads, *rows)
    )


def _format_outcome(result: Json) -> str:
    return "passed" if result["passed"] else "FAILED"
