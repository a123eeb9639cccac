"""`python -m tests.unit.nucleus.dying_nucleus ...`: an IPC that dies by SIGKILL as it is asked something.

It serves one component with its recipe's configuration, and dies with the n-th request of an operation:
before it is answered, or right after.
"""

import argparse
import json
import os
import signal
import threading
from pathlib import Path

from hil.nucleus.dialects.dialect import DIALECTS
from hil.nucleus.ipc.operation_call import OperationCall, OperationResult
from hil.nucleus.ipc_operations.operation_table import OperationTable
from hil.nucleus.recipe_files.recipe import load_recipe
from tests.unit.nucleus.ipc_kit import TOKEN, ServedIpc
from tests.unit.nucleus.running_nucleus import REPOSITORY

CONNECT = "connect"


def main() -> None:
    """Serve until the moment comes."""
    parser = argparse.ArgumentParser()
    for name in ("folder", "component", "dialect", "operation", "number", "moment"):
        parser.add_argument(name)
    given = parser.parse_args()
    dialect, folder = DIALECTS[given.dialect], Path(given.folder)
    recipe = load_recipe(REPOSITORY / "recipes" / f"{given.component}.yaml", dialect.typed_yaml)
    configuration = dict(recipe.component_configuration.default_configuration)
    if "stationFolder" in configuration:
        configuration["stationFolder"] = str(folder / "station")
    serving = ServedIpc(folder, dialect, {given.component: configuration})
    serving.tokens[TOKEN] = given.component
    _arm(serving.table, given.operation, int(given.number), given.moment)
    with serving.running():
        print(json.dumps({"socket": serving.socket}), flush=True)
        threading.Event().wait()


def _arm(table: OperationTable, operation: str, number: int, moment: str) -> None:
    perform, component_of, came = table.perform, table.component_for_token, [0]

    def is_it(asked: str) -> bool:
        came[0] += asked == operation
        return asked == operation and came[0] == number

    def perform_or_die(call: OperationCall) -> OperationResult:
        if not is_it(call.operation):
            return perform(call)
        if moment == "before":
            _die()
        threading.Thread(target=_die).start()  # any time from now on: with the answer, or before it
        return perform(call)

    def component_of_or_die(token: str) -> str | None:
        if is_it(CONNECT):
            _die()
        return component_of(token)

    table.perform, table.component_for_token = perform_or_die, component_of_or_die  # type: ignore[method-assign]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
