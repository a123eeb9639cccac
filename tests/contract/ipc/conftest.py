"""A nucleus's local IPC, listening, in either dialect and with the transcripts' configuration."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from hil.nucleus.dialects.dialect import Dialect
from tests.contract.ipc.transcript import CONFIGURATION
from tests.unit.nucleus.ipc_kit import ServedIpc


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Dialect], ServedIpc]]:
    """Starts the IPC in a dialect; all are stopped at the end."""
    with ExitStack() as stack:

        def start(dialect: Dialect) -> ServedIpc:
            loader = yaml.SafeLoader if dialect.typed_yaml else yaml.BaseLoader
            values = yaml.load(CONFIGURATION, Loader=loader)
            return stack.enter_context(ServedIpc(tmp_path, dialect, values).running())

        yield start
