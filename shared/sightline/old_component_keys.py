"""Which configuration keys had other names in the last release, by component; see docs/upgrading.md.

They are read for this release only. The next one drops this file with the structs' OLD_KEYS.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sightline.messaging.topics import CAPTURE, EQUIPMENT, INFERENCE, PUBLISHER, TELEMETRY
from sightline.old_keys import OldKey, place_below, rename_old_keys

OLD_POLICY_KEYS = {"/defects/*/largestOkMm": "maxOkMm", "/defects/*/stillOk": "maxOkCount"}
OLD_CONDITION_KEYS = {
    "/lowestBrightness": "minBrightness",
    "/highestBrightness": "maxBrightness",
    "/lowestSharpness": "minSharpness",
}
OLD_PRODUCT_KEYS = {**OLD_POLICY_KEYS, **place_below("/conditions", OLD_CONDITION_KEYS)}
OLD_REFERENCE_KEYS = {
    "/greatestBrightnessChange": "maxBrightnessChange",
    "/greatestSaturationChange": "maxSaturationChange",
    "/lowestSharpnessShare": "minSharpnessShare",
    "/greatestShiftPx": "maxShiftPx",
    "/lowestLikeness": "minLikeness",
}
OLD_COMPONENT_KEYS: Mapping[str, Mapping[str, str]] = {
    CAPTURE: {
        **place_below("/conditions", OLD_CONDITION_KEYS),
        **place_below("/conditions/reference", OLD_REFERENCE_KEYS),
    },
    INFERENCE: {
        "/shadow/waitsS": "maxWaitS",
        "/shadow/greatestDifferingShare": "maxDifferingShare",
        "/evidence/greatestBacklog": "maxBacklog",
        "/ledgerKeepsParts": "maxLedgerParts",
        **place_below("/policy", OLD_POLICY_KEYS),
    },
    EQUIPMENT: {
        "/link/opcua/longestRetryS": "maxRetryS",
        "/link/modbus/longestRetryS": "maxRetryS",
        "/tags/*/lowest": "minValue",
        "/tags/*/highest": "maxValue",
    },
    PUBLISHER: {
        "/evidence/greatestAgeDays": "maxAgeDays",
        "/spool/greatestMib": "maxMib",
        "/spool/greatestAgeDays": "maxAgeDays",
        "/records/greatestBacklog": "maxBacklog",
        "/commands/greatestLifetimeS": "maxLifetimeS",
    },
    TELEMETRY: {"/outliers/leastReadings": "minReadings"},
}


def place_components_below(
    pointer: str, components: Iterable[str] = tuple(OLD_COMPONENT_KEYS)
) -> dict[str, str]:
    """The patterns of a map at a pointer that holds configurations by component."""
    found: dict[str, str] = {}
    for component in components:
        found |= place_below(f"{pointer}/{component}", OLD_COMPONENT_KEYS.get(component, {}))
    return found


def rename_old_merge_keys(
    merges: dict[str, dict[str, Any]],
) -> tuple[dict[str, dict[str, Any]], list[OldKey]]:
    """Configurations by component under their new keys, and the old keys that were found."""
    return rename_old_keys(merges, place_components_below(""))
