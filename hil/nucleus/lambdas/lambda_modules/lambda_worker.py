"""Runs a Lambda function in its own process: `lambda_worker.py MODULE.HANDLER`.

It requests events from the Lambda host one by one and reports each result. It uses the standard library
only, so that the function sees nothing but its own packages and the Greengrass Core SDK's runtime modules,
which are in this folder.
"""

import base64
import importlib
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from lambda_connection import HostConnection

FunctionHandler = Callable[[Any, Any], Any]
log = logging.getLogger("lambda_worker")


def main() -> int:
    """Load the function, then handle events until the host ends it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    handler = _load(sys.argv[1])
    connection = HostConnection()
    connection.request("ready")
    reporter = threading.Thread(target=_send_heartbeats, daemon=True)
    reporter.start()
    while (work := connection.request("get_work")).get("number") is not None:
        error = _handle(handler, work)
        connection.request("put_result", number=work["number"], failure=error)
    return 0


def _load(name: str) -> FunctionHandler:
    module, _, function = name.rpartition(".")
    handler: FunctionHandler = getattr(importlib.import_module(module), function)
    return handler


def _handle(handler: FunctionHandler, work: dict[str, Any]) -> str | None:
    payload = base64.b64decode(work["payload"])
    try:
        event = json.loads(payload) if work["encoding"] == "json" else payload
        handler(event, _context(work))
    except Exception as error:  # the function's own faults, of whatever kind, end one event only
        log.exception("event %s failed", work["number"])
        return f"{type(error).__name__}: {error}"
    return None


def _context(work: dict[str, Any]) -> SimpleNamespace:
    arn = os.environ["MY_FUNCTION_ARN"]
    name, _, version = arn.split(":function:")[1].partition(":")
    deadline_s = time.monotonic() + work["timeout_s"]
    return SimpleNamespace(
        aws_request_id=str(work["number"]),
        client_context=SimpleNamespace(custom={"subject": work["subject"]}, env={}, client=None),
        function_name=name,
        function_version=version,
        invoked_function_arn=arn,
        get_remaining_time_in_millis=lambda: max(0, round((deadline_s - time.monotonic()) * 1000)),
    )


def _send_heartbeats() -> None:
    """Send heartbeats to the host, also while an event is handled."""
    connection = HostConnection()
    while True:
        interval_s = connection.request("status")["interval_s"]
        time.sleep(interval_s)


if __name__ == "__main__":
    sys.exit(main())
