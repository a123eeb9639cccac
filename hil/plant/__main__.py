"""`python -m hil.plant`: simulate the conveyor and its PLC in real time."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from hil.plant.conveyor import Conveyor
from hil.plant.plant_commands import InputLineReader, PlantCommandHandler
from hil.plant.plant_status import PlantStatus
from hil.plant.plc import PlcSettings, SimulatedPlc
from hil.plant.reject_gate import GateSettings


async def run_plant(arguments: argparse.Namespace) -> None:
    """Run until the input ends or SIGTERM arrives; the belt waits for `start`."""
    plc = SimulatedPlc(
        PlcSettings(
            protocol=arguments.protocol,
            port=arguments.port,
            belt_speed_mps=arguments.speed,
            first_number=arguments.first_number,
            seed=arguments.seed,
            gate=GateSettings(
                distance_m=arguments.gate_distance,
                heartbeat_timeout_s=arguments.heartbeat_timeout,
            ),
        )
    )
    await plc.start()
    status = PlantStatus(arguments.status, plc.endpoint, last_number=arguments.first_number - 1)
    plc.on_outcome = status.record_gate_acted
    plc.on_confirmation = status.record_confirmation
    schedule = json.loads(arguments.schedule.read_text()) if arguments.schedule else ()
    conveyor = Conveyor(plc, arguments.rate, arguments.parts, status.record_part_counted, schedule)
    status.write()
    tasks = [asyncio.create_task(conveyor.run()), asyncio.create_task(status.run())]
    await _handle_input(PlantCommandHandler(plc, conveyor, status))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    status.write()
    await plc.stop()


async def _handle_input(operator: PlantCommandHandler) -> None:
    loop = asyncio.get_running_loop()
    reader = InputLineReader(loop)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, reader.lines.put_nowait, None)
    reader.start()
    while (line := await reader.lines.get()) is not None:
        if line.strip():
            operator.handle_line(line)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m hil.plant", description=__doc__)
    parser.add_argument("--rate", type=float, default=2.0, help="parts per second (default: 2)")
    parser.add_argument(
        "--parts", type=int, help="number of parts to feed (default: until stopped)"
    )
    parser.add_argument(
        "--schedule",
        type=Path,
        help="JSON list of each part's time in seconds after the first (default: use --rate)",
    )
    parser.add_argument(
        "--protocol",
        choices=("opcua", "modbus"),
        default="opcua",
        help="protocol of the PLC (default: opcua)",
    )
    parser.add_argument(
        "--port", type=int, default=0, help="port of the PLC; 0 picks a free one (default: 0)"
    )
    parser.add_argument("--status", type=Path, help="JSON file to write the status to")
    parser.add_argument("--speed", type=float, default=0.5, help="belt speed in m/s (default: 0.5)")
    parser.add_argument(
        "--gate-distance",
        type=float,
        default=0.75,
        help="distance from trigger to gate in m (default: 0.75)",
    )
    parser.add_argument(
        "--heartbeat-timeout",
        type=float,
        default=0.5,
        help="seconds without a heartbeat after which the station counts as down (default: 0.5)",
    )
    parser.add_argument(
        "--first-number", type=int, default=1, help="number of the first part (default: 1)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of the machine readings' noise (default: 1)"
    )
    given = parser.parse_args(arguments)
    if given.rate <= 0 or given.speed <= 0 or given.gate_distance <= 0:
        parser.error("--rate, --speed and --gate-distance must be more than 0")
    asyncio.run(run_plant(given))
    return 0


if __name__ == "__main__":
    sys.exit(main())
