"""The broker's persistent sessions, including one for a cloud side that has not connected yet.

IoT Core's rules are in force before any station connects and miss nothing. The embedded broker does the
same: what is published while the cloud side is disconnected, or has not reconnected after a restart of the
broker, waits for it. Cloud sides have individual client ids; the first to connect gets what waits.
"""

from amqtt.broker import BrokerContext
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session

from cloud.wire.topic_routes import CLIENT_ID, list_topic_filters

AT_LEAST_ONCE = 1


class PersistentSessions(BaseAuthPlugin):  # type: ignore[misc]  # amqtt is not typed for us
    """Admits every client as non-anonymous: amqtt keeps no session of an anonymous client."""

    async def authenticate(self, *, session: Session) -> bool:
        """Admit any client: the broker has checked its login before."""
        name = session.client_id or ""
        if name.startswith(f"{CLIENT_ID}-") and not session.clean_session:
            self._adopt_held_session(session)
        return True

    def _adopt_held_session(self, session: Session) -> None:
        """Hand the waiting messages to this cloud side."""
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
        """Create a session for the cloud side at the start."""
        context: BrokerContext = self.context
        for topic in list_topic_filters():
            await context.add_subscription(CLIENT_ID, topic, AT_LEAST_ONCE)
