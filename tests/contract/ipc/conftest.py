"""A nucleus's local IPC, listening, in either dialect and with the transcripts' configuration."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from hil.nucleus.dialect import Dialect
from tests.contract.ipc.transcript import CONFIGURATION
from tests.unit.nucleus.serving import Serving


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Dialect], Serving]]:
    """Starts the IPC in a dialect; all are stopped at the end."""
    with ExitStack() as stack:

        def start(dialect: Dialect) -> Serving:
            loader = yaml.SafeLoader if dialect.typed_yaml else yaml.BaseLoader
            values = yaml.load(CONFIGURATION, Loader=loader)
            return stack.enter_context(Serving(tmp_path, dialect, values).running())

        yield start
