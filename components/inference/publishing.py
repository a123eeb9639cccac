"""The word to the station's other components."""

import logging

from sightline.errors import MessageError, TransportError
from sightline.messaging.bus import MessageBus
from sightline.messaging.messages import StationMessage
from sightline.messaging.topics import MessageStream

log = logging.getLogger(__name__)


def publish_or_log(bus: MessageBus, stream: MessageStream, message: StationMessage) -> bool:
    """Publish; False if it could not be handed over. Who tells it tells it again when asked."""
    try:
        bus.publish(stream, message)
    except (TransportError, MessageError) as error:
        log.error("not told", extra={"stream": stream.name, "error": str(error)})
        return False
    return True
