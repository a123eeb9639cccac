"""Streams of the IPC client: errors do not end them, and not every nucleus has every one."""

import logging
from collections.abc import Callable
from typing import Any

from awsiot.greengrasscoreipc import model

log = logging.getLogger(__name__)


def subscribe_if_supported(
    subscribe: Callable[..., Any], on_event: Callable[[Any], None], about: str
) -> Any:
    """Let the nucleus's questions come to `on_event`; the subscription, or None if it never asks.

    `subscribe` is the IPC client's operation; `on_event` runs on the client's thread.
    """
    try:
        _, operation = subscribe(
            on_stream_event=on_event,
            on_stream_error=keep_stream_open,
            on_stream_closed=lambda: None,
        )
    except model.GreengrassCoreIPCError as error:
        log.info("the nucleus asks no component about %s", about, extra={"error": repr(error)})
        return None
    return operation


def keep_stream_open(error: Exception) -> bool:
    """Tell of an error, and keep the stream open."""
    log.warning("IPC stream error", extra={"error": str(error)})
    return False
