"""A component's word on an update: not before the part in hand is settled.

Nucleus 2.x asks before it stops a component for an update. The question goes through the component's
inbox like everything else, so that what came before it has been dealt with when it is answered; while
more waits behind it, the update is put off for a moment. A line that never rests is not waited for
longer than `MAX_DEFERRAL_S`: then the component settles as it ends. Nucleus Lite does not ask; there
SIGTERM is the only word, and each component settles on it.
"""

import logging
from dataclasses import dataclass
from typing import Any

from awsiot.greengrasscoreipc import model

from sightline.clock import Clock
from sightline.messaging.bus import Inbox
from sightline.messaging.ipc_streams import subscribe_if_supported

log = logging.getLogger(__name__)
RECHECK_MS = 200
MAX_DEFERRAL_S = 15.0
NS_PER_S = 1_000_000_000


@dataclass(frozen=True)
class UpdateRequested:
    """An event: the nucleus wants to stop the component for a deployment."""

    deployment_id: str


class UpdateConsent:
    """Decides when the nucleus may go on; each deployment is put off for a while at most."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._first_requested_ns: dict[str, int] = {}

    def decide_recheck_ms(self, deployment_id: str, waiting: int) -> int:
        """When to ask again, in milliseconds, `waiting` events being in the inbox; 0: go on."""
        now_ns = self._clock.monotonic_ns()
        first_ns = self._first_requested_ns.setdefault(deployment_id, now_ns)
        if waiting and now_ns - first_ns < MAX_DEFERRAL_S * NS_PER_S:
            return RECHECK_MS
        del self._first_requested_ns[deployment_id]
        return 0


def subscribe_to_updates(client: Any, inbox: Inbox) -> Any:
    """Let the nucleus's questions come into the inbox; the subscription, or None if it never asks."""

    def on_event(events: model.ComponentUpdatePolicyEvents) -> None:
        if events.pre_update_event is not None:
            inbox.post(UpdateRequested(events.pre_update_event.deployment_id))

    return subscribe_if_supported(client.subscribe_to_component_updates, on_event, "updates")


def defer_update(client: Any, deployment_id: str, recheck_ms: int) -> None:
    """Tell the nucleus; 0 lets it go on. One that has gone on by itself is no fault."""
    try:
        client.defer_component_update(deployment_id=deployment_id, recheck_after_ms=recheck_ms)
    except model.GreengrassCoreIPCError as error:
        log.warning("the nucleus did not wait", extra={"error": repr(error)})
    else:
        words = f"asked again in {recheck_ms} ms" if recheck_ms else "goes on"
        log.info("update %s", words, extra={"deployment": deployment_id})
