"""A component's word on a configuration before a deployment brings it into force.

Nucleus Lite does not ask; there a component refuses a wrong configuration when it comes.
"""

import logging
from collections.abc import Callable
from typing import Any

from awscrt.exceptions import AwsCrtError
from awsiot.greengrasscoreipc import model

from sightline.messaging.ipc_streams import subscribe_if_supported

log = logging.getLogger(__name__)
ConfigurationCheck = Callable[[dict[str, Any]], str]


def subscribe_to_validation(client: Any, check: ConfigurationCheck) -> Any:
    """Let the nucleus ask about new configurations; the subscription, or None if it never asks.

    `refusal` says in words why a configuration cannot be, or nothing; it runs on the client's thread.
    """

    def on_event(events: model.ValidateConfigurationUpdateEvents) -> None:
        event = events.validate_configuration_update_event
        try:
            words = check(dict(event.configuration or {}))
        except Exception as error:
            log.exception("a configuration cannot be checked")
            words = f"the configuration cannot be checked: {type(error).__name__}: {error}"
        report = model.ConfigurationValidityReport(
            status="REJECTED" if words else "ACCEPTED",
            deployment_id=event.deployment_id,
            message=words or None,
        )
        try:
            # not waited for: the client's own thread must not wait for the client
            client.send_configuration_validity_report_async(configuration_validity_report=report)
        except (AwsCrtError, RuntimeError) as error:
            log.warning("no reply sent about a configuration", extra={"error": repr(error)})

    return subscribe_if_supported(
        client.subscribe_to_validate_configuration_updates, on_event, "configurations"
    )
