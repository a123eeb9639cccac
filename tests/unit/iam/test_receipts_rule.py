"""The IoT rules that tell stations what of theirs arrived, as AWS would carry them out."""

import fnmatch
import re
from typing import Any

import botocore.session
import msgspec
import pytest
from botocore.validate import ParamValidator

from sightline.messaging.messages import RecordsStored
from sightline.messaging.topics import CATALOGUE, CLOUD, PUBLISHER, RECORDS_STORED
from tools.iam.iam_policies import AccountNames, build_policies, fill_placeholders
from tools.iam.receipt_rules import ROLE, STREAMS_WITH_RECEIPT, build_receipt_rules
from tools.recipes import ROOT

REGION, ACCOUNT = "eu-central-1", "123456789012"
RULES = fill_placeholders(build_receipt_rules(), REGION, ACCOUNT)
EACH = pytest.mark.parametrize("name", RULES)


def republish(name: str) -> Any:
    (found,) = (action["republish"] for action in RULES[name]["actions"])
    return found


@EACH
def test_the_service_takes_the_rule(name: str) -> None:
    model = botocore.session.get_session().get_service_model("iot")
    shape = model.operation_model("CreateTopicRule").input_shape
    words = {"ruleName": name, "topicRulePayload": RULES[name]}
    assert not ParamValidator().validate(words, shape).has_errors()
    assert re.fullmatch(r"[A-Za-z0-9_]{1,128}", name)


@EACH
def test_it_reads_its_stream_and_answers_what_a_receipt_is_made_of(name: str) -> None:
    stream, key = STREAMS_WITH_RECEIPT[name]
    selected, source = re.fullmatch(r"SELECT (.*) FROM '(.*)'", RULES[name]["sql"]).groups()  # type: ignore[union-attr]
    assert source == stream.build_topic("+")
    names = re.findall(r" AS (\w+)", selected)
    assert sorted(names) == ["record_ids", "station_id"]
    assert set(names) <= set(RecordsStored.__struct_fields__)
    assert f"[{key}] AS record_ids" in selected  # one, in a list
    assert key in {field.encode_name for field in msgspec.structs.fields(stream.message)}


def test_whatever_a_publisher_keeps_until_it_is_stored_has_its_rule() -> None:
    by_id = {"recordId", "correctionId", "gapId"}
    kept = {
        row.name
        for row in CATALOGUE
        if row.senders == (PUBLISHER,) and CLOUD in row.readers
        if by_id & {field.encode_name for field in msgspec.structs.fields(row.message)}
    }
    assert kept == {stream.name for stream, _ in STREAMS_WITH_RECEIPT.values()}


@EACH
def test_each_station_gets_its_own_and_the_role_may_tell_it(name: str) -> None:
    topic = republish(name)["topic"].replace("${topic(2)}", "station-1")
    assert topic == RECORDS_STORED.build_topic("station-1")
    (statement,) = fill_placeholders(build_policies(AccountNames())["receipts"], REGION, ACCOUNT)[
        "Statement"
    ]
    assert statement["Action"] == ["iot:Publish"]
    (allowed,) = statement["Resource"]
    arn = f"arn:aws:iot:{REGION}:{ACCOUNT}:topic/"
    assert fnmatch.fnmatchcase(f"{arn}{topic}", allowed)
    assert not fnmatch.fnmatchcase(
        f"{arn}{STREAMS_WITH_RECEIPT[name][0].build_topic('station-1')}", allowed
    )
    assert republish(name)["roleArn"] == f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"


def test_the_script_for_an_account_makes_each_of_them() -> None:
    script = (ROOT / "tools" / "provision.sh").read_text(encoding="utf-8")
    (listed,) = re.findall(r'^receipts_rules="(.*)"$', script, re.MULTILINE)
    assert listed.split() == list(RULES)
