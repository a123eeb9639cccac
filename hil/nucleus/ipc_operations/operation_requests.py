"""The requests of the operations as typed structs, read from JSON and refused as the nuclei do."""

from typing import Any, TypeVar

import msgspec

from hil.nucleus.nucleus_errors import InvalidArgumentsError, OperationError, ServiceError

INVALID_PARAMETERS = "Received invalid parameters."


class OperationRequest(msgspec.Struct, frozen=True, rename="camel"):
    """Base: camelCase on the wire; unknown fields are not looked at."""


class JsonMessage(OperationRequest, frozen=True):
    """A message of any JSON value."""

    message: Any


class BinaryMessage(OperationRequest, frozen=True):
    """A message in base64, handed on as it is."""

    message: str


class PublishMessage(OperationRequest, frozen=True):
    """Exactly one of the two must be there."""

    json_message: JsonMessage | None = None
    binary_message: BinaryMessage | None = None


class PublishToTopic(OperationRequest, frozen=True):
    """A local message."""

    topic: str
    publish_message: PublishMessage


class SubscribeToTopic(OperationRequest, frozen=True):
    """A local subscription; the topic may be a filter."""

    topic: str
    receive_mode: str | None = None


class PublishToIoTCore(OperationRequest, frozen=True):
    """An MQTT message; the payload is base64."""

    topic_name: str
    qos: str | int | None = None
    payload: str = ""
    retain: bool | None = None


class SubscribeToIoTCore(OperationRequest, frozen=True):
    """An MQTT subscription."""

    topic_name: str
    qos: str | int | None = None


class GetConfiguration(OperationRequest, frozen=True):
    """A look at a component's configuration; its own if none is named."""

    key_path: list[str] = []
    component_name: str | None = None


class UpdateConfiguration(OperationRequest, frozen=True):
    """A change of the component's own configuration; `timestamp` in seconds since 1970."""

    timestamp: float | int
    value_to_merge: Any
    key_path: list[str] = []


class SubscribeToConfigurationUpdate(OperationRequest, frozen=True):
    """A watch on a key path."""

    key_path: list[str] = []
    component_name: str | None = None


class ValidateAuthorizationToken(OperationRequest, frozen=True):
    """Whether a token is that of a component."""

    token: str


class UpdateState(OperationRequest, frozen=True):
    """A component's word on its own state."""

    state: str


class RestartComponent(OperationRequest, frozen=True):
    """A wish to start a component again."""

    component_name: str


R = TypeVar("R", bound=OperationRequest)


def parse_request(request_type: type[R], payload: bytes) -> R:
    """The request; ServiceError if it is not JSON, or lacks fields or has them of a wrong type."""
    try:
        return msgspec.json.decode(payload, type=request_type)
    except msgspec.ValidationError as error:
        raise _decode_refusal(request_type, payload) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ServiceError from error


def parse_quality_of_service(given: str | int | None) -> int:
    """The MQTT quality of service in a request, 0 if none is given; ServiceError if it is none."""
    if given is None:
        return 0
    if str(given) not in ("0", "1", "2"):
        raise ServiceError("'qos' not a valid value.")
    return int(given)


def _decode_refusal(request_type: type[OperationRequest], payload: bytes) -> OperationError:
    try:
        is_object = isinstance(msgspec.json.decode(payload), dict)
    except msgspec.DecodeError:
        is_object = False
    if not is_object:
        return ServiceError()
    return (
        build_invalid_update_error()
        if request_type is UpdateConfiguration
        else ServiceError(INVALID_PARAMETERS)
    )


def build_invalid_update_error() -> InvalidArgumentsError:
    """The refusal of an UpdateConfiguration whose fields are amiss."""
    return InvalidArgumentsError(INVALID_PARAMETERS)
