"""The SDK's client of the runtime: posts work to other functions, including the message router."""

import threading
from dataclasses import dataclass

from lambda_connection import HostConnection, HostRefusedError


class IPCException(Exception):
    """The runtime refused a request; carries its reason."""


@dataclass(frozen=True)
class WorkResult:
    """What an invoked function returned."""

    payload: bytes
    func_err: str


class IPCClient:
    """One connection to the Lambda host; may be used from any thread."""

    def __init__(self, endpoint: str = "localhost", port: int | None = None) -> None:
        self._lock = threading.Lock()
        self._connection: HostConnection | None = None

    def post_work(
        self,
        function_arn: str,
        input_bytes: bytes | str,
        client_context: bytes | str,
        invocation_type: str = "RequestResponse",
    ) -> str:
        """Post work; returns its id, or raises IPCException with the runtime's reason."""
        content = input_bytes.encode() if isinstance(input_bytes, str) else input_bytes
        context = client_context.decode() if isinstance(client_context, bytes) else client_context
        with self._lock:
            if self._connection is None:
                self._connection = HostConnection()
            try:
                answer = self._connection.request(
                    "post_work",
                    payload=content,
                    function_arn=function_arn,
                    context=context,
                    invocation_type=invocation_type,
                )
            except (HostRefusedError, OSError) as error:
                raise IPCException(str(error)) from error
        return str(answer["invocation_id"])

    def get_work_result(self, function_arn: str, invocation_id: str) -> WorkResult:
        """Not supported: only messages are passed on, and they have no result."""
        raise IPCException(f"{function_arn}: only publish is supported by this Lambda host")
