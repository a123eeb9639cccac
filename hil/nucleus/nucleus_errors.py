"""What goes wrong inside the nucleus, and what it answers to a component that asked amiss."""

from sightline.errors import FatalError, SightlineError


class NucleusError(SightlineError):
    """Root of the nucleus's own errors."""


class ProtocolError(NucleusError, FatalError):
    """Bytes or frames that break the event-stream protocol; the connection cannot go on."""


class OperationError(NucleusError):
    """An answer of type error: the model's name without its namespace, and a text for people."""

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
    """A request with arguments that cannot be."""

    def __init__(self, text: str) -> None:
        super().__init__("InvalidArgumentsError", text)
