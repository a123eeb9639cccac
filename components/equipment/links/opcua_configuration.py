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
        pattern=r"^\s*(ns=\s*\d+\s*;\s*|nsu=[^;]+;\s*)?[isgb]=.+$",
        description="an OPC UA node id: ns=INDEX;s=NAME, or nsu=NAMESPACE URI;s=NAME",
    ),
]
PLC_NODE_PREFIX = "nsu=urn:sightline:plc;s="


SecurityPolicyName = Literal[
    "none", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"
]


class PlcNodes(ConfigurationStruct, frozen=True, kw_only=True):
    """Where the PLC keeps the handshake's registers.

    Only where it has them: product, lot, dry run, whether the reject bin is full, and what the sensors
    behind the gate saw (four nodes).
    """

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
    reject_bin_full: NodeText | None = None
    confirmation_numbers: NodeText | None = None
    confirmation_times: NodeText | None = None
    confirmation_results: NodeText | None = None
    confirmation_counter: NodeText | None = None

    def __post_init__(self) -> None:
        """ValueError if only a part of the confirmation is there."""
        given = (
            self.confirmation_numbers,
            self.confirmation_times,
            self.confirmation_results,
            self.confirmation_counter,
        )
        if any(given) and not all(given):
            raise ValueError(
                "confirmationNumbers, confirmationTimes, confirmationResults and confirmationCounter go "
                "together: set all or none"
            )


class OpcuaSecurity(ConfigurationStruct, frozen=True, kw_only=True):
    """How the connection is protected; paths are relative to the component's work folder.

    With `make_certificate` a missing certificate is made, with its key, for this `application_uri`.
    `server_certificate` is the one that the server must show; `trust_any`: it may show any.
    """

    policy: SecurityPolicyName = "none"
    mode: Literal["Sign", "SignAndEncrypt"] = "SignAndEncrypt"
    certificate: Path = "opcua-certificate.der"
    private_key: Path = "opcua-key.pem"
    server_certificate: Path = ""
    trust_any: bool = False
    make_certificate: bool = False
    application_uri: Annotated[str, Meta(pattern=r"^\S+$")] = "urn:sightline:station"


class OpcuaUser(ConfigurationStruct, frozen=True, kw_only=True):
    """Who logs in; nobody, if `name` is empty. The password is in a file that only the component reads.

    It is sent encrypted, or not at all, unless `allow_plain_password` says so.
    """

    name: Annotated[str, Meta(max_length=256)] = ""
    password_file: Path = ""
    allow_plain_password: bool = False

    def __post_init__(self) -> None:
        if self.name and not self.password_file:
            raise ValueError(
                f"user {self.name} has no passwordFile; name the file with the password"
            )


class OpcuaConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """A PLC that speaks OPC UA."""

    endpoint: Annotated[str, Meta(pattern=r"^opc\.tcp://[^/]+")] = "opc.tcp://127.0.0.1:4840"
    security: OpcuaSecurity = OpcuaSecurity()
    user: OpcuaUser = OpcuaUser()
    nodes: PlcNodes = PlcNodes()
    publishing_interval_ms: Milliseconds = 10.0
    request_timeout_s: Seconds = 2.0
    first_retry_s: Seconds = 0.2
    max_retry_s: Seconds = 3.0

    def __post_init__(self) -> None:
        if "@" in self.endpoint:
            raise ValueError(
                "the endpoint holds a user or a password; write it without, and set user/name and "
                "user/passwordFile"
            )
