"""How AWS answers what it keeps with a receipt: IoT rules, and the role that lets them publish.

A site on one machine does the same after its commit (cloud/receipts.py).
"""

from typing import Any

from sightline.topics import (
    GAP_RECORD,
    GATE_CORRECTION,
    INSPECTION_RECORD,
    RECORDS_STORED,
    Stream,
)

Json = dict[str, Any]
ROLE = "sightline-receipts"
THING = "topic(2)"  # SQL of IoT rules: the second part of the topic, which is the thing's name
RECEIPTED: dict[
    str, tuple[Stream, str]
] = {  # by rule: the stream, and which field is the receipt's id
    "sightline_receipts": (INSPECTION_RECORD, "recordId"),
    "sightline_receipts_of_gate": (GATE_CORRECTION, "correctionId"),
    "sightline_receipts_of_gaps": (GAP_RECORD, "gapId"),
}


def receipts_rules() -> dict[str, Json]:
    """Each rule by its name, as `aws iot create-topic-rule` takes it."""
    return {name: _rule(stream, key) for name, (stream, key) in RECEIPTED.items()}


def _rule(stream: Stream, key: str) -> Json:
    return {
        "sql": f"SELECT [{key}] AS record_ids, {THING} AS station_id FROM '{stream.topic_of('+')}'",
        "awsIotSqlVersion": "2016-03-23",
        "description": f"Tells each station which of its {stream.topic.rsplit('/', 1)[-1]} arrived",
        "ruleDisabled": False,
        "actions": [
            {
                "republish": {
                    "roleArn": f"arn:aws:iam::ACCOUNT_ID:role/{ROLE}",
                    "topic": RECORDS_STORED.topic_of(f"${{{THING}}}"),
                    "qos": 1,
                }
            }
        ],
    }
