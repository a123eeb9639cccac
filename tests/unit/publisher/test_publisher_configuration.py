"""What may be configured, and what is refused at the door."""

import pytest

from publisher.configuration import PublisherConfiguration
from publisher.evidence.s3_store import S3EvidenceStore
from sightline.configuration import default_configuration, load_configuration
from sightline.errors import ConfigurationError


def test_the_defaults_are_a_configuration() -> None:
    defaults = default_configuration(PublisherConfiguration)
    assert defaults["evidence"]["kind"] == "folder"
    assert defaults["evidence"]["s3"]["bucket"] == ""
    assert defaults["keep"]["eachOk"] == 1
    assert defaults["commands"]["allowed"] == ()
    assert defaults["records"] == {"rateHz": 100.0, "maxBacklog": 1_000_000}
    assert load_configuration(PublisherConfiguration, defaults) == PublisherConfiguration()


def test_numbers_may_be_written_as_text() -> None:
    values = {"gateWaitMs": "250", "records": {"rateHz": "5"}, "evidenceKeepMib": "16"}
    configuration = load_configuration(PublisherConfiguration, values)
    assert configuration.gate_wait_ms == 250
    assert configuration.records.rate_hz == 5
    assert configuration.evidence_keep_mib == 16


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"records": {"rateHz": 0}}, "/records/rateHz"),
        ({"siteId": ""}, "/siteId"),
        ({"evidence": {"kind": "moon"}}, "/evidence/kind"),
        ({"evidence": {"kind": "folder", "folder": ""}}, "/evidence/folder"),
        ({"evidence": {"kind": "s3"}}, "/evidence"),
        ({"evidence": {"s3": {"bucket": "No Bucket"}}}, "/evidence/s3/bucket"),
        ({"evidence": {"s3": {"prefix": "no-slash"}}}, "/evidence/s3/prefix"),
        ({"evidence": {"s3": {"endpointUrl": "moon"}}}, "/evidence/s3/endpointUrl"),
        ({"evidence": {"s3": {"endpointUrl": "http://minio_s3:9000"}}}, "/evidence/s3/endpointUrl"),
        ({"pressureShare": 0}, "/pressureShare"),
        ({"commands": {"allowed": [{"kind": "fly", "issuers": ["me"]}]}}, "/commands/allowed/0/k"),
        ({"commands": {"allowed": [{"kind": "pause", "issuers": []}]}}, "/commands/allowed/0/i"),
        ({"gateWaitMs": -1}, "/gateWaitMs"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(values: dict[str, object], pointer: str) -> None:
    with pytest.raises(ConfigurationError, match=f"at {pointer}"):
        load_configuration(PublisherConfiguration, values)


@pytest.mark.parametrize(
    "address",
    [
        "http://minio-s3:9000",
        "https://s3.plant.example/",
        "http://10.0.0.7:9000/store",
        "http://[fd00::7]:9000",
    ],
)
def test_an_address_of_another_s3_server_is_one_that_the_sdk_takes(address: str) -> None:
    values = {"evidence": {"kind": "s3", "s3": {"bucket": "pictures", "endpointUrl": address}}}
    s3 = load_configuration(PublisherConfiguration, values).evidence.s3
    assert s3.endpoint_url == address
    S3EvidenceStore(s3)._create_s3_client()
