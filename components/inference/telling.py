"""The word to the station's other components."""

import logging

from sightline.bus import Bus
from sightline.errors import MessageError, TransportError
from sightline.messages import Message
from sightline.topics import Stream

log = logging.getLogger(__name__)


def tell(bus: Bus, stream: Stream, message: Message) -> bool:
    """Publish; False if it could not be handed over. Who tells it tells it again when asked."""
    try:
        bus.publish(stream, message)
    except (TransportError, MessageError) as error:
        log.error("not told", extra={"stream": stream.name, "error": str(error)})
        return False
    return True
