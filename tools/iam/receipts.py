"""How AWS answers each record with its receipt: an IoT rule, and the role that lets it publish.

A site on one machine does the same after its commit (cloud/receipts.py).
"""

from typing import Any

from sightline.topics import INSPECTION_RECORD, RECORDS_STORED

Json = dict[str, Any]
ROLE = "sightline-receipts"
THING = "topic(2)"  # SQL of IoT rules: the second part of the topic, which is the thing's name


def receipts_rule() -> Json:
    """The rule `sightline_receipts`, as `aws iot create-topic-rule` takes it."""
    return {
        "sql": f"SELECT [recordId] AS record_ids, {THING} AS station_id "
        f"FROM '{INSPECTION_RECORD.topic_of('+')}'",
        "awsIotSqlVersion": "2016-03-23",
        "description": "Tells each station which of its records arrived",
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
