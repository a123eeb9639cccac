"""What components have to say before a deployment changes them: is it valid, and may it be now."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hil.nucleus.errors import ResourceNotFoundError
from hil.nucleus.plan import DeploymentTimes

log = logging.getLogger(__name__)
Json = dict[str, Any]
Send = Callable[[Json], None]


@dataclass(eq=False)
class _Listener:
    component: str
    send: Send
    asked_by: str = ""
    answer: "asyncio.Future[Any]" = field(default_factory=asyncio.Future)

    def ask(self, deployment: str, event: Json) -> None:
        self.asked_by, self.answer = deployment, asyncio.get_running_loop().create_future()
        self.send(event)


class UpdatePolicy:
    """Keeps who listens, asks them, and waits for what they say."""

    def __init__(self, times: DeploymentTimes) -> None:
        self._times = times
        self._of_updates: list[_Listener] = []
        self._of_configurations: list[_Listener] = []

    def listen_to_updates(self, component: str, send: Send) -> Callable[[], None]:
        """Be asked before, and told after, a deployment; until the function returned is called."""
        return _listen(self._of_updates, component, send)

    def listen_to_configurations(self, component: str, send: Send) -> Callable[[], None]:
        """Be asked about a new configuration; until the function returned is called."""
        return _listen(self._of_configurations, component, send)

    def defer(self, component: str, deployment: str, recheck_after_ms: int) -> None:
        """Take a component's word on an update: 0 is consent, else ask again after that time."""
        _answer(self._of_updates, component, deployment, recheck_after_ms)

    def report(self, component: str, deployment: str, accepted: bool, message: str) -> None:
        """Take a component's word on its new configuration."""
        _answer(self._of_configurations, component, deployment, None if accepted else message)

    async def refusals(self, deployment: str, configurations: Mapping[str, Json]) -> list[str]:
        """Why components refuse their new configurations, or did not answer; empty if all is well."""
        listeners = [o for o in self._of_configurations if o.component in configurations]
        for listener in listeners:
            content = configurations[listener.component]
            event = {"configuration": content, "deploymentId": deployment}
            listener.ask(deployment, {"validateConfigurationUpdateEvent": event})
        words = [self._word_on_configuration(listener) for listener in listeners]
        return [word for word in await asyncio.gather(*words) if word is not None]

    async def consent(self, deployment: str) -> None:
        """Wait until no component wants an update deferred any more."""
        await asyncio.gather(*(self._consent(deployment, o) for o in list(self._of_updates)))

    def tell_end(self, deployment: str) -> None:
        """Tell who listens that a deployment is through."""
        for listener in list(self._of_updates):
            listener.send({"postUpdateEvent": {"deploymentId": deployment}})

    async def _word_on_configuration(self, listener: _Listener) -> str | None:
        try:
            refusal = await asyncio.wait_for(listener.answer, self._times.validate_s)
        except asyncio.TimeoutError:
            refusal = f"no answer within {self._times.validate_s:.0f} s"
        return None if refusal is None else f"{listener.component}: {refusal}"

    async def _consent(self, deployment: str, listener: _Listener) -> None:
        event = {"deploymentId": deployment, "isGgcRestarting": False}
        while listener in self._of_updates:
            listener.ask(deployment, {"preUpdateEvent": event})
            try:
                wait_ms = await asyncio.wait_for(listener.answer, self._times.consent_s)
            except asyncio.TimeoutError:
                log.warning("%s did not answer; the update goes on", listener.component)
                return
            if not wait_ms:
                return
            log.info("%s defers the update by %d ms", listener.component, wait_ms)
            await asyncio.sleep(wait_ms / 1000)


def _listen(listeners: list[_Listener], component: str, send: Send) -> Callable[[], None]:
    listener = _Listener(component, send)
    listeners.append(listener)

    def close() -> None:
        listeners.remove(listener)
        if not listener.answer.done():
            listener.answer.set_result(None)  # who is gone has nothing to say

    return close


def _answer(listeners: list[_Listener], component: str, deployment: str, word: Any) -> None:
    asked = [
        listener
        for listener in listeners
        if (listener.component, listener.asked_by) == (component, deployment)
        and not listener.answer.done()
    ]
    if not asked:
        raise ResourceNotFoundError("No question about this deployment is open.")
    for listener in asked:
        listener.answer.set_result(word)
