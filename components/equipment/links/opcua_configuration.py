"""The configuration of a link over OPC UA."""

from typing import Annotated, Literal

from msgspec import Meta

from sightline.configuration import ConfigurationStruct

Milliseconds = Annotated[float, Meta(ge=1, le=10_000)]
Seconds = Annotated[float, Meta(ge=0.05, le=600)]
Path = Annotated[str, Meta(max_length=1024)]
NodeText = Annotated[
    str,
    Meta(
        pattern=r"^(ns=\d+;|nsu=[^;]+;)?[isgb]=.+$",
        description="an OPC UA node id: ns=INDEX;s=NAME, or nsu=NAMESPACE URI;s=NAME",
    ),
]
PLC_NODE_PREFIX = "nsu=urn:sightline:plc;s="


class PlcNodes(ConfigurationStruct, frozen=True, kw_only=True):
    """Where the PLC keeps the handshake's registers; product, lot, dry run only where it has them."""

    part_counter: NodeText = PLC_NODE_PREFIX + "Line.PartCounter"
    belt_speed: NodeText = PLC_NODE_PREFIX + "Line.BeltSpeed"
    heartbeat: NodeText = PLC_NODE_PREFIX + "Station.Heartbeat"
    line_stop: NodeText = PLC_NODE_PREFIX + "Station.LineStop"
    verdict_part_number: NodeText = PLC_NODE_PREFIX + "Verdict.PartNumber"
    verdict_code: NodeText = PLC_NODE_PREFIX + "Verdict.Code"
    verdict_strobe: NodeText = PLC_NODE_PREFIX + "Verdict.Strobe"
    verdict_echo: NodeText = PLC_NODE_PREFIX + "Verdict.Echo"
    outcome_numbers: NodeText = PLC_NODE_PREFIX + "Outcome.Numbers"
    outcome_actions: NodeText = PLC_NODE_PREFIX + "Outcome.Actions"
    outcome_times: NodeText = PLC_NODE_PREFIX + "Outcome.Times"
    outcome_causes: NodeText = PLC_NODE_PREFIX + "Outcome.Causes"
    outcome_counter: NodeText = PLC_NODE_PREFIX + "Outcome.Counter"
    product: NodeText | None = None
    lot: NodeText | None = None
    dry_run: NodeText | None = None


class OpcuaSecurity(ConfigurationStruct, frozen=True, kw_only=True):
    """How the connection is protected; paths are relative to the component's work folder.

    With `make_certificate` a missing certificate is made, with its key, for this `application_uri`.
    An empty `server_certificate` trusts the one that the server shows.
    """

    policy: Literal["none", "Basic256Sha256"] = "none"
    mode: Literal["Sign", "SignAndEncrypt"] = "SignAndEncrypt"
    certificate: Path = "opcua-certificate.der"
    private_key: Path = "opcua-key.pem"
    server_certificate: Path = ""
    make_certificate: bool = False
    application_uri: Annotated[str, Meta(pattern=r"^\S+$")] = "urn:sightline:station"


class OpcuaConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """A PLC that speaks OPC UA."""

    endpoint: Annotated[str, Meta(pattern=r"^opc\.tcp://[^/]+")] = "opc.tcp://127.0.0.1:4840"
    security: OpcuaSecurity = OpcuaSecurity()
    nodes: PlcNodes = PlcNodes()
    publishing_interval_ms: Milliseconds = 10.0
    request_timeout_s: Seconds = 2.0
    first_retry_s: Seconds = 0.2
    max_retry_s: Seconds = 3.0
