"""The configuration of the equipment component; the defaults are the recipe's."""

from typing import Annotated

import msgspec

from sightline.configuration import Configuration

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Milliseconds = Annotated[float, msgspec.Meta(ge=1, le=10_000)]
Seconds = Annotated[float, msgspec.Meta(ge=0.05, le=600)]
NodeText = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(ns=\d+;|nsu=[^;]+;)?[isgb]=.+$",
        description="an OPC UA node id: ns=INDEX;s=NAME, or nsu=NAMESPACE URI;s=NAME",
    ),
]
PLC = "nsu=urn:sightline:plc;s="


class PlcNodes(Configuration, frozen=True, kw_only=True):
    """Where the PLC keeps the handshake's registers."""

    part_counter: NodeText = PLC + "Line.PartCounter"
    belt_speed: NodeText = PLC + "Line.BeltSpeed"
    heartbeat: NodeText = PLC + "Station.Heartbeat"
    verdict_part_number: NodeText = PLC + "Verdict.PartNumber"
    verdict_code: NodeText = PLC + "Verdict.Code"
    verdict_strobe: NodeText = PLC + "Verdict.Strobe"
    verdict_echo: NodeText = PLC + "Verdict.Echo"
    outcome_numbers: NodeText = PLC + "Outcome.Numbers"
    outcome_actions: NodeText = PLC + "Outcome.Actions"
    outcome_times: NodeText = PLC + "Outcome.Times"
    outcome_causes: NodeText = PLC + "Outcome.Causes"
    outcome_counter: NodeText = PLC + "Outcome.Counter"


class TagConfiguration(Configuration, frozen=True, kw_only=True):
    """One reading to take each interval."""

    tag: Name
    node_id: NodeText
    unit: Annotated[str, msgspec.Meta(max_length=16)] = ""


class OpcuaConfiguration(Configuration, frozen=True, kw_only=True, tag_field="kind", tag="opcua"):
    """A PLC that speaks OPC UA."""

    endpoint: Annotated[str, msgspec.Meta(pattern=r"^opc\.tcp://[^/]+")] = (
        "opc.tcp://127.0.0.1:4840"
    )
    nodes: PlcNodes = PlcNodes()
    publishing_interval_ms: Milliseconds = 10.0
    request_timeout_s: Seconds = 2.0
    first_retry_s: Seconds = 0.2
    longest_retry_s: Seconds = 3.0


DEFAULT_TAGS = (
    TagConfiguration(tag="line_running", node_id=PLC + "Line.Running"),
    TagConfiguration(tag="belt_speed", node_id=PLC + "Line.BeltSpeed", unit="m/s"),
    TagConfiguration(tag="motor_current", node_id=PLC + "Machine.MotorCurrent", unit="A"),
    TagConfiguration(tag="motor_temperature", node_id=PLC + "Machine.MotorTemperature", unit="Cel"),
    TagConfiguration(tag="vibration", node_id=PLC + "Machine.Vibration", unit="mm/s"),
    TagConfiguration(tag="air_pressure", node_id=PLC + "Machine.AirPressure", unit="bar"),
)


class EquipmentConfiguration(Configuration, frozen=True, kw_only=True):
    """What the component talks to, and how often."""

    equipment_id: Name = "conveyor-1"
    line_id: Name = "line-1"
    link: OpcuaConfiguration = OpcuaConfiguration()
    tags: Annotated[tuple[TagConfiguration, ...], msgspec.Meta(max_length=200)] = DEFAULT_TAGS
    sample_interval_s: Seconds = 0.5
    heartbeat_interval_ms: Milliseconds = 100.0
    counter_announce_interval_s: Seconds = 1.0
    verdict_margin_ms: Annotated[float, msgspec.Meta(ge=0, le=10_000)] = 20.0
