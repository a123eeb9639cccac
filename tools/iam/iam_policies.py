"""Builds the policies, least privilege; placeholders are REGION, ACCOUNT_ID and `AccountNames`.

device              IoT policy of a station's certificate: what every core device needs
device-streams      second IoT policy: the suite's streams (a policy is limited to 2,048 characters)
claim               IoT policy of the claim certificate, used until a machine is provisioned
token-exchange      role of a station's components
component-publisher role that builds and publishes components
fleet-operator      role that plans, deploys and rolls back
receipts            role of the IoT rules that send receipts to stations
provision-hook      role of the Lambda that admits stations
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sightline.messaging.topics import CATALOGUE, COMPONENTS, RECORDS_STORED, MessageStream

Json = dict[str, Any]
THING = "${iot:Connection.Thing.ThingName}"
THING_OF_CREDENTIALS = "${credentials-iot:ThingName}"
OURS = "com.sightline.*"
SETTINGS = "com.sightline.settings.*"
AWS_COMPONENTS = (
    "aws.greengrass.*"  # the nucleus, the token exchange service, the CLI: public, in no account
)
ANY_UUID = "????????-????-????-????-????????????"


@dataclass(frozen=True)
class AccountNames:
    """Names in the account that the policies refer to."""

    component_bucket: str = "sightline-components-REGION-ACCOUNT_ID"
    evidence_bucket: str = "sightline-evidence-REGION-ACCOUNT_ID"
    role_alias: str = "sightline-token-exchange"
    template: str = "sightline-station"
    function: str = "sightline-telemetry"
    function_role: str = "sightline-telemetry"


def build_policies(
    names: AccountNames, catalogue: Iterable[MessageStream] = CATALOGUE
) -> dict[str, Json]:
    """Build every policy, by role."""
    return {
        "device": build_device_policy(names),
        "device-streams": build_streams_policy(tuple(catalogue)),
        "claim": build_claim_policy(names),
        "token-exchange": build_token_exchange_policy(names),
        "component-publisher": build_component_publisher_policy(names),
        "fleet-operator": build_fleet_operator_policy(names),
        "receipts": build_receipts_policy(),
        "provision-hook": build_provision_hook_policy(),
    }


def build_device_policy(names: AccountNames) -> Json:
    """A station as a core device: its shadow, deployments and token exchange."""
    reserved = [f"$aws/things/{THING}/{what}" for what in ("jobs/*", "shadow/*")]
    health = [f"$aws/things/{THING}/{what}/health/json" for what in ("greengrass", "greengrassv2")]
    downloads = ("GetComponentVersionArtifact", "GetDeploymentConfiguration")
    asks = ("ListThingGroupsForCoreDevice", "ResolveComponentCandidates")
    public = f"arn:aws:greengrass:REGION:aws:components:{AWS_COMPONENTS}"
    of_public = ("GetComponentVersionArtifact", "ResolveComponentCandidates")
    return _policy(
        _allow(["iot:Connect"], [_iot(f"client/{THING}"), _iot(f"client/{THING}#*")]),
        _allow(["iot:Publish"], [_iot(f"topic/{topic}") for topic in [*reserved, *health]]),
        _allow(["iot:Receive"], [_iot(f"topic/{topic}") for topic in reserved]),
        _allow(["iot:Subscribe"], [_iot(f"topicfilter/{topic}") for topic in reserved]),
        _allow([f"greengrass:{name}" for name in (*downloads, *asks)], [_greengrass("*")]),
        _allow([f"greengrass:{name}" for name in of_public], [public]),
        _allow(["iot:AssumeRoleWithCertificate"], [_iot(f"rolealias/{names.role_alias}")]),
    )


def build_streams_policy(catalogue: Sequence[MessageStream] = CATALOGUE) -> Json:
    """A station's streams from the catalogue, under its own thing name only."""
    over_iot = [row for row in catalogue if row.route == "cloud"]
    sent = [row.build_topic(THING) for row in over_iot if set(row.senders) & set(COMPONENTS)]
    read = [row.build_topic(THING) for row in over_iot if set(row.readers) & set(COMPONENTS)]
    return _policy(
        _allow(["iot:Publish"], [_iot(f"topic/{topic}") for topic in sent]),
        _allow(["iot:Receive"], [_iot(f"topic/{topic}") for topic in read]),
        _allow(["iot:Subscribe"], [_iot(f"topicfilter/{topic}") for topic in read]),
    )


def build_claim_policy(names: AccountNames) -> Json:
    """A machine before provisioning: request a certificate by the one template, nothing else.

    Both nuclei connect under a random UUID; this certificate cannot impersonate a station.
    """
    certificates = [f"$aws/certificates/{way}/*" for way in ("create", "create-from-csr")]
    asked = [*certificates, f"$aws/provisioning-templates/{names.template}/provision/*"]
    return _policy(
        _allow(["iot:Connect"], [_iot(f"client/{ANY_UUID}")]),
        _allow(["iot:Publish", "iot:Receive"], [_iot(f"topic/{topic}") for topic in asked]),
        _allow(["iot:Subscribe"], [_iot(f"topicfilter/{topic}") for topic in asked]),
    )


def build_provisioning_template() -> Json:
    """The provisioning template: a thing in its kind's and its roll-outs' group, certificate, policies."""
    text = {"Type": "String"}
    policies = {
        role.replace("-", ""): {
            "Type": "AWS::IoT::Policy",
            "Properties": {"PolicyName": f"sightline-{role}"},
        }
        for role in ("device", "device-streams")
    }
    return {
        "Parameters": {
            "ThingName": text,
            "ThingGroupName": text,
            "RolloutGroupName": text,
            "AWS::IoT::Certificate::Id": text,
        },
        "Resources": {
            "station": {
                "Type": "AWS::IoT::Thing",
                "Properties": {
                    "ThingName": {"Ref": "ThingName"},
                    "ThingGroups": [{"Ref": "ThingGroupName"}, {"Ref": "RolloutGroupName"}],
                },
            },
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {
                    "CertificateId": {"Ref": "AWS::IoT::Certificate::Id"},
                    "Status": "Active",
                },
            },
            **policies,
        },
    }


def build_token_exchange_policy(names: AccountNames) -> Json:
    """A station's components: read artifacts, upload evidence under the station's name, write logs."""
    components = f"arn:aws:s3:::{names.component_bucket}"
    bucket = f"arn:aws:s3:::{names.evidence_bucket}"
    own = [f"{bucket}/{THING_OF_CREDENTIALS}/*", f"{bucket}/*/{THING_OF_CREDENTIALS}/*"]
    log_group = "arn:aws:logs:REGION:ACCOUNT_ID:log-group:"
    journal = f"{log_group}greengrass/systemLogs:"  # of the system log forwarder, for Nucleus Lite
    writes = ("CreateLogGroup", "CreateLogStream", "DescribeLogStreams", "PutLogEvents")
    return _policy(
        _allow_in_own_buckets(
            ["s3:GetBucketLocation"], [components]
        ),  # the Java nucleus asks first
        _allow_in_own_buckets(["s3:GetObject"], [f"{components}/{OURS}"]),
        _allow_in_own_buckets(["s3:AbortMultipartUpload", "s3:PutObject"], own),
        _allow([f"logs:{name}" for name in writes], [f"{log_group}/aws/greengrass/*"]),
        _allow(["logs:CreateLogGroup"], [f"{journal}*"]),
        _allow(
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            [f"{journal}log-stream:{THING_OF_CREDENTIALS}"],
        ),
    )


def build_component_publisher_policy(names: AccountNames) -> Json:
    """Publishing components: what `gdk component publish` and `import-lambda` need."""
    bucket = f"arn:aws:s3:::{names.component_bucket}"
    function = f"arn:aws:lambda:REGION:ACCOUNT_ID:function:{names.function}"
    role = f"arn:aws:iam::ACCOUNT_ID:role/{names.function_role}"
    for_lambda = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    writes = ("CreateFunction", "GetFunction", "PublishVersion", "UpdateFunctionCode")
    versions = (
        *("CreateComponentVersion", "DescribeComponent"),
        *("GetComponent", "ListComponentVersions"),
    )
    return _policy(
        _allow(["s3:CreateBucket"], [bucket]),  # what is created is nobody's yet
        _allow_in_own_buckets(["s3:GetBucketLocation"], [bucket]),
        _allow_in_own_buckets(["s3:GetObject", "s3:PutObject"], [f"{bucket}/{OURS}"]),
        _allow([f"greengrass:{name}" for name in versions], [_greengrass(f"components:{OURS}")]),
        _allow([f"lambda:{name}" for name in writes], [function, f"{function}:*"]),
        {**_allow(["iam:PassRole"], [role]), "Condition": for_lambda},  # CreateFunction needs it
        _allow(["sts:GetCallerIdentity"], ["*"]),  # the service takes no resource here
    )


def build_fleet_operator_policy(names: AccountNames) -> Json:
    """Operating the fleet: what `python -m tools.fleet` needs, and the jobs behind it.

    CreateDeployment and some lists take no resource, and its conditions know the request's tags only. Whom
    a deployment may reach is held by iot:CreateJob, which the service asks for as the same caller.
    """
    free = ("CreateDeployment", "ListCoreDevices", "ListDeployments")
    deployments = ("CancelDeployment", "GetComponent", "GetDeployment")
    devices = ("ListEffectiveDeployments", "ListInstalledComponents")
    versions = ("CreateComponentVersion", "DescribeComponent", "ListComponentVersions")
    jobs = ("CancelJob", "CreateJob", "DescribeJob", "DescribeJobExecution", "UpdateJob")
    lists = ("ListJobExecutionsForJob", "ListThingsInThingGroup")
    groups = ("CreateThingGroup", "RemoveThingFromThingGroup", "UpdateThingGroupsForThing")
    shadows = [f"iot:{name}ThingShadow" for name in ("Delete", "Get", "Update")]
    on_all = (*deployments, *devices, "TagResource")
    targets = [_iot("thing/*"), _iot("thinggroup/*")]
    of_jobs = (*jobs, *lists, *groups, "DescribeThing", "DescribeThingGroup")
    bucket = f"arn:aws:s3:::{names.component_bucket}"
    locks, settings = f"{bucket}/fleet/locks/*", f"{bucket}/{SETTINGS}"
    of_settings = [_greengrass(f"components:{SETTINGS}")]
    return _policy(
        _allow([f"greengrass:{name}" for name in on_all], [_greengrass("*")]),
        _allow([f"greengrass:{name}" for name in versions], of_settings),
        _allow([f"iot:{name}" for name in of_jobs], [*targets, _iot("job/*")]),
        _allow(shadows, [_iot("thing/*/AWSManagedGreengrassV2Deployment")]),
        _allow_in_own_buckets(
            ["s3:ListBucket"], [bucket]
        ),  # else a lock that is not there reads as forbidden
        _allow_in_own_buckets(["s3:GetObject", "s3:PutObject"], [locks, settings]),
        _allow_in_own_buckets(["s3:DeleteObject"], [locks]),
        _allow(
            [*(f"greengrass:{n}" for n in free), "iot:ListThingGroups", "sts:GetCallerIdentity"],
            ["*"],
        ),
    )


def build_trust_policy(service: str) -> Json:
    """A trust policy: one AWS service may assume the role, for this account only."""
    return _policy(
        {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": ["sts:AssumeRole"],
            "Condition": {"StringEquals": {"aws:SourceAccount": "ACCOUNT_ID"}},
        }
    )


def build_receipts_policy() -> Json:
    """The IoT rules of tools/iam/receipt_rules.py: publish receipts to stations, nothing else."""
    return _policy(_allow(["iot:Publish"], [_iot(f"topic/{RECORDS_STORED.build_topic('*')}")]))


def build_provision_hook_policy() -> Json:
    """The Lambda that admits stations: it asks whether a station has a certificate already."""
    return _policy(_allow(["iot:ListThingPrincipals"], [_iot("thing/*")]))


def fill_placeholders(policy: Any, region: str, account: str) -> Any:
    """Fill in a policy's placeholders."""
    if isinstance(policy, dict):
        return {key: fill_placeholders(value, region, account) for key, value in policy.items()}
    if isinstance(policy, list):
        return [fill_placeholders(value, region, account) for value in policy]
    if isinstance(policy, str):
        return policy.replace("REGION", region).replace("ACCOUNT_ID", account)
    return policy


def _policy(*statements: Json) -> Json:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(actions: Sequence[str], resources: Sequence[str]) -> Json:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}


def _allow_in_own_buckets(actions: Sequence[str], resources: Sequence[str]) -> Json:
    """A bucket's name is whose who takes it first, in any account: only our own account's will do."""
    own = {"StringEquals": {"aws:ResourceAccount": "ACCOUNT_ID"}}
    return {**_allow(actions, resources), "Condition": own}


def _iot(what: str) -> str:
    return f"arn:aws:iot:REGION:ACCOUNT_ID:{what}"


def _greengrass(what: str) -> str:
    return f"arn:aws:greengrass:REGION:ACCOUNT_ID:{what}"
