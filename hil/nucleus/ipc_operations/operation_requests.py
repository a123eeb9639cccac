"""The operations' requests as typed structs, with the nuclei's error messages."""

from typing import Any, TypeVar

import msgspec

from hil.nucleus.nucleus_errors import InvalidArgumentsError, OperationError, ServiceError

INVALID_PARAMETERS = "Received invalid parameters."


class OperationRequest(msgspec.Struct, frozen=True, rename="camel"):
    """Base: camelCase on the wire; unknown fields are ignored."""


class JsonMessage(OperationRequest, frozen=True):
    """A message of any JSON value."""

    message: Any


class BinaryMessage(OperationRequest, frozen=True):
    """A base64 message, passed on unchanged."""

    message: str


class PublishMessage(OperationRequest, frozen=True):
    """Exactly one of the two must be set."""

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
    """A request for a component's configuration; the caller's if none is named."""

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
    """A component's report of its state."""

    state: str


class RestartComponent(OperationRequest, frozen=True):
    """A request to restart a component."""

    component_name: str


R = TypeVar("R", bound=OperationRequest)


def parse_request(request_type: type[R], payload: bytes) -> R:
    """Parse a request; ServiceError if it is not JSON, or fields are missing or of a wrong type."""
    try:
        return msgspec.json.decode(payload, type=request_type)
    except msgspec.ValidationError as error:
        raise _decode_refusal(request_type, payload) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ServiceError from error


def parse_quality_of_service(given: str | int | None) -> int:
    """Parse the MQTT quality of service, 0 if missing; ServiceError if it is invalid."""
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
    """Build the error of an UpdateConfiguration with invalid fields."""
    return InvalidArgumentsError(INVALID_PARAMETERS)
