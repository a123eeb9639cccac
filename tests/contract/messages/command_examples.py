"""Full examples of the messages that commands and modes come with."""

from sightline.messaging import messages as m

TRIGGERED_UTC_NS = 1_790_000_000_000_000_000
COMMANDS = (
    m.StationMode(
        station_id="station-1",
        mode="paused",
        since_utc_ns=TRIGGERED_UTC_NS,
        command_id="c-0001",
    ),
    m.CommandAccepted(
        station_id="station-1",
        command_id="c-0002",
        kind="set_threshold",
        issued_by="quality",
        sequence=17,
        accepted_utc_ns=TRIGGERED_UTC_NS + 250_000_000,
        expires_utc_ns=TRIGGERED_UTC_NS + 60_000_000_000,
        arguments={"label": "scratch", "reject": 0.5, "at_once": True},
    ),
    m.CommandCarriedOut(
        station_id="station-1",
        command_id="c-0005",
        component="com.sightline.Capture",
        result="refused",
        decided_utc_ns=TRIGGERED_UTC_NS + 300_000_000,
        reason="the station knows no product of this name",
        from_part=m.Part(3, 1207),
    ),
    m.Command(
        station_id="station-1",
        command_id="c-0002",
        kind="set_threshold",
        issued_by="quality",
        issued_utc_ns=TRIGGERED_UTC_NS,
        expires_utc_ns=TRIGGERED_UTC_NS + 60_000_000_000,
        arguments={"label": "scratch", "reject": 0.5, "at_once": True},
    ),
    m.CommandOutcome(
        station_id="station-1",
        command_id="c-0003",
        kind="bypass",
        issued_by="guest",
        result="refused",
        decided_utc_ns=TRIGGERED_UTC_NS + 250_000_000,
        reason="'bypass' is not allowed to 'guest'",
        from_part=m.Part(3, 1207),
    ),
)
