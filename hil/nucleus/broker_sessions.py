"""The broker's sessions: kept while a client is away, and for the cloud side before it ever came.

IoT Core's rules are in force before any station connects, and they miss nothing. The embedded broker
does alike: what is published while the cloud side is away, or before it is back after a restart of
the broker, waits for it.
"""

from amqtt.broker import BrokerContext
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session

from cloud.routes import CLIENT_ID, subscriptions

AT_LEAST_ONCE = 1


class KeptSessions(BaseAuthPlugin):  # type: ignore[misc]  # amqtt is not typed for us
    """Lets every client in and calls none anonymous, for amqtt keeps no session of an anonymous one."""

    async def authenticate(self, *, session: Session) -> bool:
        """Anyone may connect: the broker listens on the loopback only."""
        return True

    async def on_broker_post_start(self) -> None:
        """Hold a session for the cloud side from the start."""
        context: BrokerContext = self.context
        for topic in subscriptions():
            await context.add_subscription(CLIENT_ID, topic, AT_LEAST_ONCE)
