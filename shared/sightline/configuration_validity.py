"""A component's word on a configuration before a deployment brings it into force.

Nucleus Lite does not ask; there a component refuses a wrong configuration when it comes.
"""

from collections.abc import Callable
from typing import Any

from awsiot.greengrasscoreipc import model

from sightline.ipc_streams import questions

Refusal = Callable[[dict[str, Any]], str]


def answer_for(client: Any, refusal: Refusal) -> Any:
    """Let the nucleus ask about new configurations; the subscription, or None if it never asks.

    `refusal` says in words why a configuration cannot be, or nothing; it runs on the client's thread.
    """

    def on_event(events: model.ValidateConfigurationUpdateEvents) -> None:
        event = events.validate_configuration_update_event
        words = refusal(dict(event.configuration or {}))
        report = model.ConfigurationValidityReport(
            status="REJECTED" if words else "ACCEPTED",
            deployment_id=event.deployment_id,
            message=words or None,
        )
        # not waited for: the client's own thread must not wait for the client
        client.send_configuration_validity_report_async(configuration_validity_report=report)

    return questions(client.subscribe_to_validate_configuration_updates, on_event, "configurations")
