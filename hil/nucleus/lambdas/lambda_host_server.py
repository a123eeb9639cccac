"""The Lambda host's server for the function's processes: a Unix socket, one JSON object per line."""

import base64
import json
import socketserver
from pathlib import Path
from typing import Any

from hil.nucleus.lambdas.function_instances import FunctionInstances
from hil.nucleus.lambdas.lambda_description import LambdaSettings
from hil.nucleus.lambdas.lambda_event_queue import LambdaEvent
from hil.nucleus.lambdas.subscription_router import SubscriptionRouter
from sightline.errors import TransportError

ROUTER_ARN = "arn:aws:lambda:::function:GGRouter"
Json = dict[str, Any]


class LambdaHostServer(socketserver.ThreadingUnixStreamServer):
    """Serves each connection in its own thread."""

    daemon_threads = True

    def __init__(
        self,
        path: Path,
        settings: LambdaSettings,
        instances: FunctionInstances,
        router: SubscriptionRouter,
    ) -> None:
        path.unlink(missing_ok=True)
        super().__init__(str(path), _InstanceRequestHandler)
        self._parameters = settings.parameters
        self._instances = instances
        self._router = router
        self._posted = 0

    def reply_to(self, question: Json) -> Json:
        """Handle a request; an answer with `error` refuses it."""
        operation, name = question["operation"], question["instance"]
        if not self._instances.record_heartbeat(name, ready=operation == "ready"):
            return {"error": "this process is no longer an instance of the function"}
        if operation == "get_work":
            return self._encode_event(self._instances.wait_for_event(name))
        if operation == "put_result":
            self._instances.finish_event(name, question["number"], question["failure"])
        elif operation == "post_work":
            return self._route_message(question)
        return {"interval_s": self._parameters.status_timeout_in_seconds / 3}

    def _encode_event(self, work: LambdaEvent | None) -> Json:
        if work is None:
            return {}
        return {
            "number": work.number,
            "payload": base64.b64encode(work.payload).decode(),
            "subject": work.subject,
            "encoding": self._parameters.input_payload_encoding_type,
            "timeout_s": self._parameters.timeout_in_seconds,
        }

    def _route_message(self, question: Json) -> Json:
        if question["function_arn"] != ROUTER_ARN:
            return {"error": f"{question['function_arn']}: only publish is supported here"}
        custom = json.loads(base64.b64decode(question["context"]))["custom"]
        policy = custom.get("queueFullPolicy", "")
        try:
            self._router.route(custom["subject"], base64.b64decode(question["payload"]), policy)
        except TransportError as error:
            return {"error": str(error)}
        self._posted += 1
        return {"invocation_id": f"{self._posted}"}


class _InstanceRequestHandler(socketserver.StreamRequestHandler):
    """One connection: a line in, a line out."""

    server: LambdaHostServer

    def handle(self) -> None:
        try:
            for line in self.rfile:
                answer = self.server.reply_to(json.loads(line))
                self.wfile.write(json.dumps(answer).encode() + b"\n")
        except (ConnectionError, BrokenPipeError):
            return  # the process was stopped
