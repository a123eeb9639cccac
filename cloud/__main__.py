"""`python -m cloud`: receives a site's records and shows them on a page of this machine."""

import argparse
import logging
import math
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from cloud.server import PageServer, address_of, bound_socket
from cloud.site import SiteOptions, open_site
from cloud.subscriber import Broker
from sightline.errors import FatalError
from sightline.logs import configure_logging

log = logging.getLogger(__name__)


def main() -> int:
    """Serve until told to end; the exit code is 0 then, 1 if it cannot run."""
    arguments = _arguments()
    configure_logging(os.environ.get("SIGHTLINE_LOG_LEVEL", "INFO"))
    _on_signals(lambda: sys.exit(0))
    server_socket = bound_socket(arguments.port)
    if arguments.port not in (0, server_socket.getsockname()[1]):
        _say(f"port {arguments.port} is taken; the page is at {address_of(server_socket)}")
    options = SiteOptions(
        arguments.broker, arguments.database, arguments.evidence, arguments.keep_days
    )
    try:
        with open_site(options) as app:
            server = PageServer(app, server_socket, arguments.address_file)
            _on_signals(server.stop)
            server.serve_until_stopped()
    except FatalError as error:
        log.error("cannot run", extra={"error": str(error)})
        return 1
    return 0


def _on_signals(act: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: act())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m cloud", description=__doc__)
    parser.add_argument("--broker", type=_broker, required=True, metavar="HOST:PORT")
    parser.add_argument("--database", type=Path, required=True, metavar="FILE")
    parser.add_argument("--evidence", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--address-file", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--keep-days",
        type=_days,
        metavar="DAYS",
        help="records that came earlier leave the database as others come; without it all stay",
    )
    return parser.parse_args()


def _broker(text: str) -> Broker:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT")
    return Broker(host, int(port))


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not 0 < days <= 36_500:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days above 0, at most 36500")
    return days


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
