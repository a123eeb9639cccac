"""`python -m cloud`: receive a site's records and serve the web page that shows them."""

import argparse
import logging
import math
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cloud.site import SiteOptions, open_site
from cloud.web.page_server import PageServer, bind_socket, format_address
from cloud.wire.broker_login import add_login_argument
from cloud.wire.mqtt_subscriber import BrokerAddress
from sightline.errors import FatalError
from sightline.kernel.logs import configure_logging
from sightline.storage.file_modes import protect_new_files

log = logging.getLogger(__name__)


def main() -> int:
    """Serve until a signal ends it; exit code 0 then, 1 if it cannot run."""
    arguments = _parse_arguments()
    protect_new_files()
    configure_logging(os.environ.get("SIGHTLINE_LOG_LEVEL", "INFO"))
    _handle_signals(lambda: sys.exit(0))
    server_socket = bind_socket(arguments.port)
    if arguments.port not in (0, server_socket.getsockname()[1]):
        _print_notice(
            f"Port {arguments.port} is in use. The page is at {format_address(server_socket)}"
        )
    options = SiteOptions(
        replace(arguments.broker, login=arguments.broker_login),
        arguments.database,
        arguments.evidence,
        arguments.keep_days,
    )
    try:
        with open_site(options) as app:
            server = PageServer(app, server_socket, arguments.address_file)
            _handle_signals(server.stop)
            server.serve_until_stopped()
    except FatalError as error:
        log.error("cannot start", extra={"error": str(error)})
        return 1
    return 0


def _handle_signals(act: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: act())


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m cloud", description=__doc__)
    parser.add_argument(
        "--broker", type=_parse_broker, required=True, metavar="HOST:PORT", help="MQTT broker"
    )
    add_login_argument(parser, "connect without a login")
    parser.add_argument(
        "--database",
        type=Path,
        required=True,
        metavar="FILE",
        help="SQLite file; created if missing",
    )
    parser.add_argument(
        "--evidence", type=Path, required=True, metavar="FOLDER", help="pictures of parts"
    )
    parser.add_argument(
        "--port", type=int, default=0, help="port of the page; 0 picks a free one (default: 0)"
    )
    parser.add_argument(
        "--address-file",
        type=Path,
        required=True,
        metavar="FILE",
        help="file to write the page's URL to",
    )
    parser.add_argument(
        "--keep-days",
        type=_parse_days,
        metavar="DAYS",
        help="delete records older than this (default: keep all records, 2 to 5 KB of disk per part)",
    )
    return parser.parse_args()


def _parse_broker(text: str) -> BrokerAddress:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise argparse.ArgumentTypeError(f"found {text!r}; expected HOST:PORT")
    return BrokerAddress(host, int(port))


def _parse_days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not 0 < days <= 36_500:
        raise argparse.ArgumentTypeError(
            f"found {text!r}; expected a number of days above 0 and at most 36500"
        )
    return days


def _print_notice(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
