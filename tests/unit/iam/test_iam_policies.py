"""Each role may do what it needs, under its own name, and nothing else."""

import dataclasses
import fnmatch
import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from sightline.messaging.topics import CATALOGUE, COMPONENTS, INSPECTION_RECORD, MessageStream
from tools.iam import policy_checks
from tools.iam.__main__ import FOLDER, main
from tools.iam.iam_policies import AccountNames, build_policies, fill_placeholders

REGION, ACCOUNT = "eu-central-1", "123456789012"
ALL = build_policies(AccountNames())
OF_CLOUD = [row for row in CATALOGUE if row.route == "cloud"]


def allows(role: str, action: str, resource: str, thing: str = "station-1") -> bool:
    """Whether a role's policy lets a thing do that: IAM's `*`, and the thing's name for its variables."""
    policy: Any = fill_placeholders(ALL[role], REGION, ACCOUNT)
    for variable in ("${iot:Connection.Thing.ThingName}", "${credentials-iot:ThingName}"):
        policy = json.loads(json.dumps(policy).replace(variable, thing))
    return any(
        action in statement["Action"]
        and any(fnmatch.fnmatchcase(resource, pattern) for pattern in statement["Resource"])
        for statement in policy["Statement"]
    )


def iot(what: str) -> str:
    return f"arn:aws:iot:{REGION}:{ACCOUNT}:{what}"


@pytest.mark.parametrize("row", OF_CLOUD, ids=lambda row: row.name)
def test_a_station_sends_and_reads_its_streams_under_its_own_name_only(row: MessageStream) -> None:
    own, other = row.build_topic("station-1"), row.build_topic("station-2")
    sends, reads = (bool(set(ends) & set(COMPONENTS)) for ends in (row.senders, row.readers))
    assert allows("device-streams", "iot:Publish", iot(f"topic/{own}")) is sends
    assert allows("device-streams", "iot:Subscribe", iot(f"topicfilter/{own}")) is reads
    assert allows("device-streams", "iot:Receive", iot(f"topic/{own}")) is reads
    for action, kind in (("Publish", "topic"), ("Receive", "topic"), ("Subscribe", "topicfilter")):
        assert not allows("device-streams", f"iot:{action}", iot(f"{kind}/{other}"))
        assert not allows("device-streams", f"iot:{action}", iot(f"{kind}/sightline/+/records"))


def test_a_stream_that_is_added_to_the_catalogue_is_allowed() -> None:
    added = dataclasses.replace(INSPECTION_RECORD, name="Added", topic="sightline/{thing}/added")
    before, after = (
        build_policies(AccountNames()),
        build_policies(AccountNames(), [*CATALOGUE, added]),
    )
    assert "/added" not in json.dumps(before["device-streams"])
    assert "/added" in json.dumps(after["device-streams"])


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        ("iot:Connect", iot("client/station-1"), True),
        ("iot:Connect", iot("client/station-1#2"), True),
        ("iot:Connect", iot("client/station-10"), False),
        ("iot:Publish", iot("topic/$aws/things/station-1/jobs/7/update"), True),
        ("iot:Publish", iot("topic/$aws/things/station-2/jobs/7/update"), False),
        ("iot:Publish", iot("topic/$aws/things/station-1/greengrassv2/health/json"), True),
        ("iot:AssumeRoleWithCertificate", iot("rolealias/sightline-token-exchange"), True),
        ("iot:AssumeRoleWithCertificate", iot("rolealias/administrator"), False),
    ],
)
def test_a_core_device_is_itself_and_no_other(action: str, resource: str, allowed: bool) -> None:
    assert allows("device", action, resource) is allowed


@pytest.mark.parametrize(
    ("component", "allowed"),
    [
        ("aws.greengrass.Nucleus", True),
        ("aws.greengrass.TokenExchangeService", True),
        ("aws.greengrass.Cli", True),
        ("aws.iot.device.Other", False),
        ("com.example.Other", False),
    ],
)
@pytest.mark.parametrize("action", ["GetComponentVersionArtifact", "ResolveComponentCandidates"])
def test_a_core_device_may_have_awss_own_components_which_are_in_no_account(
    action: str, component: str, allowed: bool
) -> None:
    arn = f"arn:aws:greengrass:{REGION}:aws:components:{component}:versions:2.15.0"
    assert allows("device", f"greengrass:{action}", arn) is allowed
    assert not allows("device", "greengrass:GetDeploymentConfiguration", arn)
    assert allows("device", f"greengrass:{action}", arn.replace(":aws:comp", f":{ACCOUNT}:comp"))


@pytest.mark.parametrize(
    ("key", "allowed"),
    [
        ("station-1/7/1/cam1.jpg", True),
        ("site-1/station-1/7/1/cam1.jpg", True),
        ("live/station-1/cam1.jpg", True),
        ("station-2/7/1/cam1.jpg", False),
        ("site-1/xstation-1/7/1/cam1.jpg", False),
    ],
)
def test_a_stations_components_write_evidence_under_its_own_name(key: str, allowed: bool) -> None:
    bucket = f"arn:aws:s3:::sightline-evidence-{REGION}-{ACCOUNT}"
    assert allows("token-exchange", "s3:PutObject", f"{bucket}/{key}") is allowed
    assert not allows("token-exchange", "s3:GetObject", f"{bucket}/{key}")
    assert not allows("token-exchange", "s3:DeleteObject", f"{bucket}/{key}")


def test_stations_take_artifacts_and_only_publishers_put_them() -> None:
    artifact = f"sightline-components-{REGION}-{ACCOUNT}/com.sightline.Capture/0.1.0/capture.zip"
    arn = f"arn:aws:s3:::{artifact}"
    assert allows("token-exchange", "s3:GetObject", arn)
    assert not allows("token-exchange", "s3:PutObject", arn)
    bucket = arn.split("/")[0]
    assert allows("token-exchange", "s3:GetBucketLocation", bucket)  # Nucleus 2.x asks it first
    assert not allows("token-exchange", "s3:ListBucket", bucket)
    assert allows("component-publisher", "s3:PutObject", arn)
    component = f"arn:aws:greengrass:{REGION}:{ACCOUNT}:components:com.sightline.Capture"
    assert allows("component-publisher", "greengrass:CreateComponentVersion", component)
    assert not allows("component-publisher", "greengrass:CreateDeployment", component)


@pytest.mark.parametrize("role", ["token-exchange", "component-publisher", "fleet-operator"])
def test_objects_are_read_and_written_only_in_buckets_of_the_own_account(role: str) -> None:
    filled = fill_placeholders(ALL[role], REGION, ACCOUNT)
    statements = [s for s in filled["Statement"] if s["Action"][0].startswith("s3:")]
    assert statements
    for statement in statements:
        if statement["Action"] != ["s3:CreateBucket"]:
            assert statement["Condition"] == {"StringEquals": {"aws:ResourceAccount": ACCOUNT}}
        assert all(ACCOUNT in resource for resource in statement["Resource"])


@pytest.mark.parametrize(
    ("group", "allowed"),
    [
        ("/aws/greengrass/UserComponent/eu-central-1/com.sightline.Capture:log-stream:x", True),
        ("greengrass/systemLogs:log-stream:station-1", True),
        ("greengrass/systemLogs:log-stream:station-2", False),
        ("/aws/lambda/other:log-stream:x", False),
    ],
)
def test_a_station_writes_its_logs_and_no_others(group: str, allowed: bool) -> None:
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
    assert allows("token-exchange", "logs:PutLogEvents", arn) is allowed


def test_who_imports_the_function_may_give_it_its_role_and_lambda_no_other() -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/sightline-telemetry"
    assert allows("component-publisher", "iam:PassRole", role)
    assert not allows("component-publisher", "iam:PassRole", role.replace("telemetry", "other"))
    (passing,) = [
        s for s in ALL["component-publisher"]["Statement"] if s["Action"] == ["iam:PassRole"]
    ]
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}


@pytest.mark.parametrize("action", ["CreateDeployment", "ListCoreDevices", "ListDeployments"])
def test_an_operator_may_do_what_the_service_takes_no_resource_for(action: str) -> None:
    assert allows("fleet-operator", f"greengrass:{action}", "*")
    assert not allows("fleet-operator", "greengrass:CancelDeployment", "*")


@pytest.mark.parametrize(
    ("action", "what"),
    [
        ("CreateJob", "thing/station-1"),
        ("UpdateJob", "job/7"),
        ("DescribeJobExecution", "job/7"),
        ("DescribeJobExecution", "thing/station-1"),
        ("DeleteThingShadow", "thing/station-1/AWSManagedGreengrassV2Deployment"),
        ("UpdateThingShadow", "thing/station-1/AWSManagedGreengrassV2Deployment"),
    ],
)
def test_an_operator_may_do_what_a_deployment_asks_of_iot(action: str, what: str) -> None:
    assert allows("fleet-operator", f"iot:{action}", iot(what))
    assert not allows("fleet-operator", "iot:DeleteThingShadow", iot("thing/station-1/other"))


def test_a_claim_can_only_ask_for_a_certificate_by_its_template() -> None:
    topic = "topic/$aws/provisioning-templates/sightline-station/provision/json"
    assert allows("claim", "iot:Publish", iot(topic))
    assert not allows("claim", "iot:Publish", iot(topic.replace("sightline-station", "other")))
    assert not allows("claim", "iot:Publish", iot("topic/sightline/station-1/records"))
    for way in ("create", "create-from-csr"):
        assert allows("claim", "iot:Publish", iot(f"topic/$aws/certificates/{way}/json"))
    assert allows("claim", "iot:Connect", iot(f"client/{uuid.uuid4()}"))
    assert not allows("claim", "iot:Connect", iot("client/station-1"))


def test_the_files_are_what_the_catalogue_asks_for_and_small_and_narrow_enough() -> None:
    files = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert policy_checks.find_policy_file_problems(files) == []
    assert main([]) == 0


def test_each_rule_of_policies_catches_what_it_is_there_for() -> None:
    wide = {"Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}]}
    said = list(policy_checks.find_broad_statements("wide.json", wide))
    assert len(said) == 2
    assert "'s3:*'" in said[0]
    inverse = {"Statement": [{"Effect": "Allow", "NotAction": ["s3:GetObject"], "Resource": []}]}
    assert "NotAction or NotResource" in next(
        iter(policy_checks.find_broad_statements("inverse.json", inverse))
    )
    long = {"Statement": [{"Action": ["iot:Publish"], "Resource": ["x" * 2048]}]}
    assert policy_checks.find_oversized_policy("recipes/policies/device.json", long)
    assert not policy_checks.find_oversized_policy("recipes/policies/token-exchange.json", long)
    assert "not valid JSON" in policy_checks.find_policy_problems("device.json", "{", {})[0]
    files = {f"{role}.json": json.dumps(policy) for role, policy in ALL.items()}
    files["device.json"] = json.dumps({"Statement": []})
    assert policy_checks.find_policy_file_problems(files) == [
        "recipes/policies/device.json: out of date; run python -m tools.iam --write"
    ]
    del files["device.json"]
    files["root.json"] = "{}"
    assert policy_checks.find_policy_file_problems(files) == [
        "recipes/policies/device.json: file is missing; run python -m tools.iam --write",
        "recipes/policies/root.json: no role has this name; delete the file",
    ]


def test_policies_are_filled_in_for_an_account(tmp_path: Path) -> None:
    assert main(["--fill", REGION, ACCOUNT, "--out", str(tmp_path), "--role-alias", "mine"]) == 0
    text = (tmp_path / "device.json").read_text()
    assert "rolealias/mine" in text
    assert not [p for p in tmp_path.iterdir() if "ACCOUNT_ID" in p.read_text()]
    trust = json.loads((tmp_path / "token-exchange-trust.json").read_text())
    (statement,) = trust["Statement"]
    assert statement["Principal"] == {"Service": "credentials.iot.amazonaws.com"}
