"""Asks components before a deployment: whether their configuration is valid, and whether to defer."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hil.nucleus.nucleus_errors import ResourceNotFoundError
from hil.nucleus.nucleus_plan import DeploymentTimeouts

log = logging.getLogger(__name__)
Json = dict[str, Any]
ListenerEventSender = Callable[[Json], None]


@dataclass(eq=False)
class _DeploymentListener:
    component: str
    send: ListenerEventSender
    deployment_id: str = ""
    reply: "asyncio.Future[Any]" = field(default_factory=asyncio.Future)

    def request_reply(self, deployment: str, event: Json) -> None:
        self.deployment_id, self.reply = deployment, asyncio.get_running_loop().create_future()
        self.send(event)


class UpdatePolicy:
    """Keeps the listening components, asks them and waits for their answers."""

    def __init__(self, times: DeploymentTimeouts) -> None:
        self._times = times
        self._update_listeners: list[_DeploymentListener] = []
        self._configuration_listeners: list[_DeploymentListener] = []

    def listen_to_updates(self, component: str, send: ListenerEventSender) -> Callable[[], None]:
        """Register for deployment events; the returned function unregisters."""
        return _add_listener(self._update_listeners, component, send)

    def listen_to_configurations(
        self, component: str, send: ListenerEventSender
    ) -> Callable[[], None]:
        """Register to validate configurations; the returned function unregisters."""
        return _add_listener(self._configuration_listeners, component, send)

    def defer(self, component: str, deployment: str, recheck_after_ms: int) -> None:
        """Record a component's answer to an update: 0 is consent, else ask again after that time."""
        _resolve_replies(self._update_listeners, component, deployment, recheck_after_ms)

    def report_validity(
        self, component: str, deployment: str, accepted: bool, message: str
    ) -> None:
        """Record a component's answer about its new configuration."""
        _resolve_replies(
            self._configuration_listeners, component, deployment, None if accepted else message
        )

    async def collect_refusals(
        self, deployment: str, configurations: Mapping[str, Json]
    ) -> list[str]:
        """Why components refused their configurations or did not answer; empty if all accepted."""
        listeners = [o for o in self._configuration_listeners if o.component in configurations]
        for listener in listeners:
            content = configurations[listener.component]
            event = {"configuration": content, "deploymentId": deployment}
            listener.request_reply(deployment, {"validateConfigurationUpdateEvent": event})
        words = [self._wait_for_validity(listener) for listener in listeners]
        return [word for word in await asyncio.gather(*words) if word is not None]

    async def wait_for_consent(self, deployment: str) -> None:
        """Wait until no component defers the update."""
        await asyncio.gather(
            *(self._wait_for_listener(deployment, o) for o in list(self._update_listeners))
        )

    def announce_end(self, deployment: str) -> None:
        """Notify listeners that a deployment has ended."""
        for listener in list(self._update_listeners):
            listener.send({"postUpdateEvent": {"deploymentId": deployment}})

    async def _wait_for_validity(self, listener: _DeploymentListener) -> str | None:
        try:
            refusal = await asyncio.wait_for(listener.reply, self._times.validate_s)
        except asyncio.TimeoutError:
            refusal = f"no answer within {self._times.validate_s:.0f} s"
        return None if refusal is None else f"{listener.component}: {refusal}"

    async def _wait_for_listener(self, deployment: str, listener: _DeploymentListener) -> None:
        event = {"deploymentId": deployment, "isGgcRestarting": False}
        while listener in self._update_listeners:
            listener.request_reply(deployment, {"preUpdateEvent": event})
            try:
                wait_ms = await asyncio.wait_for(listener.reply, self._times.consent_s)
            except asyncio.TimeoutError:
                log.warning("%s did not answer; continuing the update", listener.component)
                return
            if not wait_ms:
                return
            log.info("%s defers the update by %d ms", listener.component, wait_ms)
            await asyncio.sleep(wait_ms / 1000)


def _add_listener(
    listeners: list[_DeploymentListener], component: str, send: ListenerEventSender
) -> Callable[[], None]:
    listener = _DeploymentListener(component, send)
    listeners.append(listener)

    def close() -> None:
        listeners.remove(listener)
        if not listener.reply.done():
            listener.reply.set_result(None)  # who is gone has nothing to say

    return close


def _resolve_replies(
    listeners: list[_DeploymentListener], component: str, deployment: str, word: Any
) -> None:
    asked = [
        listener
        for listener in listeners
        if (listener.component, listener.deployment_id) == (component, deployment)
        and not listener.reply.done()
    ]
    if not asked:
        raise ResourceNotFoundError("No answer about this deployment is expected.")
    for listener in asked:
        listener.reply.set_result(word)
