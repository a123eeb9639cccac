"""Reads and writes of many nodes, in as many requests as the server's limits make of them."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from asyncua import Client, ua

from sightline.errors import MachineLinkError

log = logging.getLogger(__name__)
Item = TypeVar("Item")
UNLIMITED = 2**32
LIMIT_NODES = {
    "read": ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    "write": ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerWrite,
    "monitor": ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
}
TOO_LARGE_CODES = frozenset(
    {
        ua.StatusCodes.BadTooManyOperations,
        ua.StatusCodes.BadRequestTooLarge,
        ua.StatusCodes.BadResponseTooLarge,
        ua.StatusCodes.BadEncodingLimitsExceeded,
    }
)


class OpcuaRequests:
    """One session's requests; what is asked in order is carried out in order, however it is split."""

    def __init__(self, client: Client) -> None:
        self._session = client.uaclient.session
        self._limits = dict.fromkeys(LIMIT_NODES, UNLIMITED)

    async def learn_limits(self) -> None:
        """Read what the server says of its limits; those that it does not tell show as refusals."""
        try:
            answers = await self.read([ua.NodeId(number) for number in LIMIT_NODES.values()])
        except ua.UaStatusCodeError as error:
            log.info("the server tells no limits", extra={"error": str(error)})
            return
        for service, data in zip(LIMIT_NODES, answers, strict=True):
            told = data.Value.Value if data.Value is not None else None
            if isinstance(told, int) and told > 0:
                self._limits[service] = min(self._limits[service], told)

    async def read(
        self, node_ids: Sequence[Any], attribute: Any = ua.AttributeIds.Value
    ) -> list[Any]:
        """An attribute of each node, as the server's data values."""

        async def send(part: Sequence[Any]) -> list[Any]:
            return list(await self._session.read_attributes(list(part), attribute))

        return await self._send_in_parts("read", node_ids, send)

    async def write(self, values: Sequence[tuple[Any, Any]]) -> list[Any]:
        """Write to nodes in the order given; a status for each.

        Neither times nor a status go along: many servers refuse a write that has them.
        """

        async def send(part: Sequence[tuple[Any, Any]]) -> list[Any]:
            written = [ua.DataValue(variant, StatusCode=None) for _, variant in part]
            answers = await self._session.write_attributes([node for node, _ in part], written)
            return list(answers)

        return await self._send_in_parts("write", values, send)

    async def monitor(
        self, nodes: Sequence[Any], send: Callable[[Sequence[Any]], Awaitable[list[Any]]]
    ) -> list[Any]:
        """Create monitored items in the order given; the answer for each."""
        return await self._send_in_parts("monitor", nodes, send)

    async def _send_in_parts(
        self,
        service: str,
        items: Sequence[Item],
        send: Callable[[Sequence[Item]], Awaitable[list[Any]]],
    ) -> list[Any]:
        found: list[Any] = []
        while len(found) < len(items):
            part = items[len(found) : len(found) + self._limits[service]]
            try:
                answers = await send(part)
            except ua.UaStatusCodeError as error:
                if error.code not in TOO_LARGE_CODES or len(part) == 1:
                    raise
                self._limits[service] = len(part) // 2
                continue
            if len(answers) != len(part):
                raise MachineLinkError(
                    f"the PLC's server answered {len(answers)} of {len(part)} nodes of one {service} "
                    "request; all are expected"
                )
            found += answers
        return found
