"""`python -m hil.nucleus.lambdas.lambda_host CODE`: runs a Lambda component under a nucleus.

The nucleus starts it as the component's process. It queues messages of the event sources, passes them one
by one to the function's processes, and sends what the function publishes back to the nucleus, as far as
the legacy subscription router's configuration allows.
"""

import logging
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

import msgspec

from hil.nucleus.lambdas.function_instances import FunctionInstances
from hil.nucleus.lambdas.lambda_description import ROUTER, LambdaSettings
from hil.nucleus.lambdas.lambda_event_queue import LambdaEventQueue
from hil.nucleus.lambdas.lambda_host_server import LambdaHostServer
from hil.nucleus.lambdas.nucleus_link import Json, NucleusLink
from hil.nucleus.lambdas.subscription_router import SubscriptionRouter, parse_router_subscriptions
from sightline.errors import FatalError, RecipeError

EXIT_FATAL = 1
EXIT_NUCLEUS_GONE = 75
NOT_INHERITED = ("SVCUID", "PYTHONPATH", "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT")
log = logging.getLogger(__name__)


def main() -> int:
    """Run until SIGTERM or until the nucleus ends; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    stopped, gone = threading.Event(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    link = NucleusLink(gone)
    threading.Thread(target=_stop_when_gone, args=(gone, stopped), daemon=True).start()
    try:
        with tempfile.TemporaryDirectory(prefix="lambda-") as folder:
            _run(link, Path(folder) / "host.socket", Path(sys.argv[1]), stopped)
    except FatalError as error:
        log.error("cannot start: %s", error)
        return EXIT_FATAL
    return EXIT_NUCLEUS_GONE if gone.is_set() else 0


def _run(link: NucleusLink, socket: Path, code: Path, stopped: threading.Event) -> None:
    settings = parse_lambda_settings(link.read_configuration())
    rows = parse_router_subscriptions(link.read_configuration(ROUTER))
    router = SubscriptionRouter(link.read_component_name(), settings.arn, rows, link)
    work = LambdaEventQueue(settings.parameters.max_queue_size)
    instances = FunctionInstances(
        settings, _build_function_environment(settings, socket, code), work
    )
    with LambdaHostServer(socket, settings, instances, router) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for source in settings.parameters.event_sources:
            link.subscribe(source, work.put)
        log.info("function %s is ready", settings.arn)
        try:
            instances.run(stopped)
        finally:
            log.info("events: %s", work.counts)
            server.shutdown()


def _stop_when_gone(gone: threading.Event, stopped: threading.Event) -> None:
    gone.wait()
    stopped.set()


def parse_lambda_settings(configuration: Json) -> LambdaSettings:
    """Parse the component's configuration; RecipeError says what is wrong in it."""
    own = {key: value for key, value in configuration.items() if key != "accessControl"}
    try:
        return msgspec.convert(own, type=LambdaSettings, strict=False)
    except msgspec.ValidationError as error:
        raise RecipeError(f"the configuration of the Lambda component: {error}") from error


def _build_function_environment(
    settings: LambdaSettings, socket: Path, code: Path
) -> dict[str, str]:
    """The environment of the function's processes, which have no access to the nucleus."""
    inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    return {
        **inherited,
        "PYTHONPATH": str(code),
        **settings.parameters.environment_variables,
        "MY_FUNCTION_ARN": settings.arn,
        "LAMBDA_HOST_SOCKET": str(socket),
    }


if __name__ == "__main__":
    sys.exit(main())
