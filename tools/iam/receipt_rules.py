"""The IoT rules that send a receipt for each stored record.

The cloud side on one machine does the same after each commit (cloud/wire/receipts.py).
"""

from typing import Any

from sightline.messaging.topics import (
    GAP_RECORD,
    GATE_CORRECTION,
    INSPECTION_RECORD,
    RECORDS_STORED,
    MessageStream,
)

Json = dict[str, Any]
ROLE = "sightline-receipts"
THING = "topic(2)"  # SQL of IoT rules: the second part of the topic, which is the thing's name
STREAMS_WITH_RECEIPT: dict[
    str, tuple[MessageStream, str]
] = {  # by rule: the stream, and which field is the receipt's id
    "sightline_receipts": (INSPECTION_RECORD, "recordId"),
    "sightline_receipts_of_gate": (GATE_CORRECTION, "correctionId"),
    "sightline_receipts_of_gaps": (GAP_RECORD, "gapId"),
}


def build_receipt_rules() -> dict[str, Json]:
    """Build each rule, by name, in the format of `aws iot create-topic-rule`."""
    return {
        name: _build_receipt_rule(stream, key)
        for name, (stream, key) in STREAMS_WITH_RECEIPT.items()
    }


def _build_receipt_rule(stream: MessageStream, key: str) -> Json:
    return {
        "sql": f"SELECT [{key}] AS record_ids, {THING} AS station_id FROM '{stream.build_topic('+')}'",
        "awsIotSqlVersion": "2016-03-23",
        "description": f"Sends each station receipts for its {stream.topic.rsplit('/', 1)[-1]}",
        "ruleDisabled": False,
        "actions": [
            {
                "republish": {
                    "roleArn": f"arn:aws:iam::ACCOUNT_ID:role/{ROLE}",
                    "topic": RECORDS_STORED.build_topic(f"${{{THING}}}"),
                    "qos": 1,
                }
            }
        ],
    }
