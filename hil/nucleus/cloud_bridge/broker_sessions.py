"""The broker's sessions: kept while a client is away, and for the cloud side before it ever came.

IoT Core's rules are in force before any station connects, and they miss nothing. The embedded broker
does alike: what is published while the cloud side is away, or before it is back after a restart of
the broker, waits for it. Each cloud side has a name of its own; the first that comes gets what waits.
"""

from amqtt.broker import BrokerContext
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session

from cloud.wire.topic_routes import CLIENT_ID, list_topic_filters

AT_LEAST_ONCE = 1


class PersistentSessions(BaseAuthPlugin):  # type: ignore[misc]  # amqtt is not typed for us
    """Lets every client in and calls none anonymous, for amqtt keeps no session of an anonymous one."""

    async def authenticate(self, *, session: Session) -> bool:
        """Anyone may connect: the broker listens on the loopback only."""
        name = session.client_id or ""
        if name.startswith(f"{CLIENT_ID}-") and not session.clean_session:
            self._hand_over(session)
        return True

    def _hand_over(self, session: Session) -> None:
        """What was kept for the cloud side before it came is this one's from now on."""
        broker = self.context._broker_instance
        held, _ = broker._sessions.pop(CLIENT_ID, (None, None))
        if held is None:
            return
        session.retained_messages = held.retained_messages
        for subscribed in broker._subscriptions.values():
            subscribed[:] = [
                (session if one is held else one, quality) for one, quality in subscribed
            ]

    async def on_broker_post_start(self) -> None:
        """Hold a session for the cloud side from the start."""
        context: BrokerContext = self.context
        for topic in list_topic_filters():
            await context.add_subscription(CLIENT_ID, topic, AT_LEAST_ONCE)
