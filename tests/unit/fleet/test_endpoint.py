"""The endpoint that the others are tested against refuses what the service's own model does not allow."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.fleet.fake_greengrass import REGION, FakeGreengrass, thing
from tools.fleet.service_calls import create_client


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"targetArn": "arn:aws:s3:::bucket"}, "/targetArn"),
        ({"targetArn": thing("a"), "deploymentName": "x" * 257}, "at most 256"),
        ({"targetArn": thing("a"), "clientToken": "a b"}, "/clientToken"),
        (
            {
                "targetArn": thing("a"),
                "deploymentPolicies": {"failureHandlingPolicy": "PANIC"},
            },
            "is none of",
        ),
    ],
)
def test_a_request_that_the_model_does_not_allow_is_refused(
    request_: dict[str, Any], said: str, address: str, greengrass: FakeGreengrass
) -> None:
    client = create_client("greengrassv2", REGION, address)
    with pytest.raises(ClientError, match="ValidationException") as refused:
        client.create_deployment(**request_)
    assert said in str(refused.value)
    assert greengrass.deployments == {}


def test_a_request_that_the_model_allows_is_taken_once(
    address: str, greengrass: FakeGreengrass
) -> None:
    client = create_client("greengrassv2", REGION, address)
    request = {"targetArn": thing("station-0-0"), "clientToken": "one"}
    first, second = client.create_deployment(**request), client.create_deployment(**request)
    assert first["deploymentId"] == second["deploymentId"]
    assert len(greengrass.deployments) == 1
