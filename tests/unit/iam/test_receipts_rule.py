"""The IoT rule that tells stations which of their records arrived, as AWS would carry it out."""

import fnmatch
import re

import botocore.session
from botocore.validate import ParamValidator

from sightline.messages import RecordsStored
from sightline.topics import INSPECTION_RECORD, RECORDS_STORED
from tools.iam.policies import Names, filled, policies
from tools.iam.receipts import ROLE, receipts_rule

REGION, ACCOUNT = "eu-central-1", "123456789012"
RULE = filled(receipts_rule(), REGION, ACCOUNT)
(REPUBLISH,) = (action["republish"] for action in RULE["actions"])


def test_the_service_takes_the_rule() -> None:
    model = botocore.session.get_session().get_service_model("iot")
    shape = model.operation_model("CreateTopicRule").input_shape
    words = {"ruleName": "sightline_receipts", "topicRulePayload": RULE}
    assert not ParamValidator().validate(words, shape).has_errors()


def test_it_reads_records_and_answers_what_a_receipt_is_made_of() -> None:
    selected, source = re.fullmatch(r"SELECT (.*) FROM '(.*)'", RULE["sql"]).groups()  # type: ignore[union-attr]
    assert source == INSPECTION_RECORD.topic_of("+")
    names = re.findall(r" AS (\w+)", selected)
    assert sorted(names) == ["record_ids", "station_id"]
    assert set(names) <= set(RecordsStored.__struct_fields__)
    assert "[recordId] AS record_ids" in selected  # one, in a list


def test_each_station_gets_its_own_and_the_role_may_tell_it() -> None:
    topic = REPUBLISH["topic"].replace("${topic(2)}", "station-1")
    assert topic == RECORDS_STORED.topic_of("station-1")
    (statement,) = filled(policies(Names())["receipts"], REGION, ACCOUNT)["Statement"]
    assert statement["Action"] == ["iot:Publish"]
    (allowed,) = statement["Resource"]
    arn = f"arn:aws:iot:{REGION}:{ACCOUNT}:topic/"
    assert fnmatch.fnmatchcase(f"{arn}{topic}", allowed)
    assert not fnmatch.fnmatchcase(f"{arn}{INSPECTION_RECORD.topic_of('station-1')}", allowed)
    assert REPUBLISH["roleArn"] == f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
