"""The nucleus's errors, and the errors that it answers to components."""

from sightline.errors import FatalError, SightlineError


class NucleusError(SightlineError):
    """Base of the nucleus's errors."""


class ProtocolError(NucleusError, FatalError):
    """Bytes or frames violate the event-stream protocol; the connection must be closed."""


class OperationError(NucleusError):
    """An error response: the model's name without its namespace, and a message."""

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(f"{code}: {text}" if text else code)
        self.code = code
        self.text = text


class ServiceError(OperationError):
    """The operation failed or is not implemented."""

    def __init__(self, text: str = "") -> None:
        super().__init__("ServiceError", text)


class UnauthorizedError(OperationError):
    """No policy of the component's accessControl allows it."""

    def __init__(self, text: str = "IPC Operation not authorized.") -> None:
        super().__init__("UnauthorizedError", text)


class ResourceNotFoundError(OperationError):
    """The configuration key or the component does not exist."""

    def __init__(self, text: str) -> None:
        super().__init__("ResourceNotFoundError", text)


class InvalidArgumentsError(OperationError):
    """A request has invalid arguments."""

    def __init__(self, text: str) -> None:
        super().__init__("InvalidArgumentsError", text)
