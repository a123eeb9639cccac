"""A nucleus's limits of a jsonMessage; a binaryMessage has none."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hil.nucleus.nucleus_errors import ServiceError

MAX_JSON_INTEGER = 2**63 - 1
_NO_LIMIT = 2**31


@dataclass(frozen=True)
class JsonLimits:
    """Levels of nesting, keys of a map and elements of a list.

    What is accepted but not delivered is answered with success, and silences the subscriptions
    that it was for.
    """

    max_depth: int
    max_keys_delivered: int = _NO_LIMIT
    max_elements_delivered: int = _NO_LIMIT
    max_keys_accepted: int = _NO_LIMIT
    max_elements_accepted: int = _NO_LIMIT

    def is_delivered(self, message: Any) -> bool:
        """Whether the message is delivered to subscribers; ServiceError if it is refused."""
        return self._is_delivered(message, self.max_depth)

    def _is_delivered(self, value: Any, levels_left: int) -> bool:
        if isinstance(value, dict):
            size, delivered, accepted = (
                len(value),
                self.max_keys_delivered,
                self.max_keys_accepted,
            )
            inner: Iterable[Any] = value.values()
        elif isinstance(value, list):
            size, delivered = len(value), self.max_elements_delivered
            accepted, inner = self.max_elements_accepted, value
        else:
            if isinstance(value, int) and value > MAX_JSON_INTEGER:
                raise ServiceError
            return True
        if levels_left < 0 or size > accepted:
            raise ServiceError("Failed to publish the message.")
        fit = [self._is_delivered(item, levels_left - 1) for item in inner]
        return all(fit) and size <= delivered
