"""`python -m hil.nucleus`: run a deployment's components on this machine.

For tests, the dialect `lite` drops its local subscriptions on SIGUSR1 and those of IoT Core on SIGUSR2.
"""

import asyncio
import logging
import signal
import sys

from hil.nucleus.nucleus import DevelopmentNucleus, SubscriptionKind
from hil.nucleus.nucleus_arguments import parse_plan
from hil.nucleus.nucleus_plan import NucleusPlan
from sightline.errors import RecipeError
from sightline.storage.file_modes import protect_new_files

EXIT_WRONG_FILES = 1
SUBSCRIPTION_LOSS_SIGNALS: dict[signal.Signals, SubscriptionKind] = {
    signal.SIGUSR1: "local",  # as if ggpubsubd had restarted
    signal.SIGUSR2: "cloud",  # as if iotcored had restarted
}
log = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        plan = parse_plan(arguments)
    except RecipeError as error:
        print(f"nucleus: {error}", file=sys.stderr)
        return EXIT_WRONG_FILES
    protect_new_files()
    asyncio.run(_run_until_signal(plan))
    return 0


async def _run_until_signal(plan: NucleusPlan) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    nucleus = DevelopmentNucleus(plan)
    for number, kind in SUBSCRIPTION_LOSS_SIGNALS.items():
        loop.add_signal_handler(number, nucleus.lose_subscriptions, kind)
    await nucleus.start()
    await stopped.wait()
    log.info("shutting down")
    await nucleus.stop()


if __name__ == "__main__":
    sys.exit(main())
