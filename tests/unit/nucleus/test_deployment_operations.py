"""Deployments over the IPC with the SDK's own client, and who may make them."""

from pathlib import Path
from typing import Any

import pytest
from awsiot.eventstreamrpc import AccessDeniedError
from awsiot.greengrasscoreipc import connect, model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

from hil.nucleus.cli_access import cli_access_path, load_cli_access
from tests.unit.nucleus.deployment_kit import QUICK, deploy, running_with
from tests.unit.nucleus.running_nucleus import RecipeBuilder, RunningNucleus, nucleus, wait_until

NAME = "com.example.A"
FOREVER = "while :; do sleep 0.05; done"


def client_of(running: RunningNucleus, token: str | None = None) -> Any:
    """A client with the command line's token, or another."""
    access = load_cli_access(running.root)
    ipc = connect(ipc_socket=access.domain_socket_path, authtoken=token or access.cli_auth_token)
    return GreengrassCoreIPCClientV2(client=ipc)


def test_a_deployment_is_asked_for_and_told_of_over_the_ipc(tmp_path: Path) -> None:
    component = RecipeBuilder(NAME, run=FOREVER)
    component.configuration = {"limit": 1}
    with running_with(tmp_path, component) as running:
        client = client_of(running)
        asked = client.create_local_deployment(
            component_to_configuration={NAME: {"MERGE": {"limit": 2}, "RESET": []}}
        )

        def status() -> Any:
            answer = client.get_local_deployment_status(deployment_id=asked.deployment_id)
            return answer.deployment

        wait_until(lambda: status().status == "SUCCEEDED")
        details = status().deployment_status_details
        assert details.detailed_deployment_status == "SUCCESSFUL"
        listed = client.list_local_deployments().local_deployments
        assert [one.deployment_id for one in listed] == [asked.deployment_id]
        with pytest.raises(model.ResourceNotFoundError):
            client.get_local_deployment_status(deployment_id="another")
        client.close()


def test_a_component_may_not_deploy_unless_its_access_control_says_so(tmp_path: Path) -> None:
    with running_with(tmp_path, RecipeBuilder(NAME, run=f"echo $SVCUID; {FOREVER}")) as running:
        client = client_of(running, wait_until(lambda: running.log(NAME)).strip())
        with pytest.raises(model.UnauthorizedError):
            client.create_local_deployment(root_components_to_remove=[NAME])
        client.close()
        assert running.component(NAME)["state"] == "RUNNING"


def test_only_this_user_can_read_the_command_line_s_token(tmp_path: Path) -> None:
    with running_with(tmp_path, RecipeBuilder(NAME, run=FOREVER)) as running:
        assert cli_access_path(running.root).stat().st_mode & 0o077 == 0
        running.stop()
        assert not cli_access_path(running.root).exists()


def test_a_broken_component_is_given_a_new_start_by_who_asks_for_it(tmp_path: Path) -> None:
    component = RecipeBuilder(NAME, run=f"[ -f ../mended ] || exit 1; {FOREVER}")
    with nucleus(tmp_path, [component], more=QUICK) as running:
        running.wait_for_state(NAME, "BROKEN")
        (running.root / "work" / "mended").touch()
        client = client_of(running)
        client.restart_component(component_name=NAME)
        client.close()
        running.wait_for_state(NAME, "RUNNING")


@pytest.mark.parametrize(("dialect", "said"), [("classic", True), ("lite", False)])
def test_nucleus_lite_passes_over_shutdown(tmp_path: Path, dialect: str, said: bool) -> None:
    component = RecipeBuilder(NAME, run=f"echo up; {FOREVER}")
    component.lifecycle["shutdown"] = "echo shutting down"
    with nucleus(tmp_path, [component], dialect=dialect) as running:
        wait_until(lambda: "up" in running.log(NAME))
        running.stop()
    assert ("shutting down" in running.log(NAME)) == said


def test_the_token_of_a_component_that_was_taken_away_is_void(tmp_path: Path) -> None:
    with running_with(tmp_path, RecipeBuilder(NAME, run=f"echo $SVCUID; {FOREVER}")) as running:
        token = wait_until(lambda: running.log(NAME)).strip()
        client_of(running, token).close()
        assert deploy(tmp_path, [RecipeBuilder("com.example.B", run=FOREVER)])[0] == 0
        with pytest.raises(AccessDeniedError):
            client_of(running, token)


def test_errors_of_a_start_are_forgotten_once_it_went_well(tmp_path: Path) -> None:
    component = RecipeBuilder(NAME)
    component.lifecycle["startup"] = (
        "n=$(($(cat n 2>/dev/null || echo 0) + 1)); echo $n > n; echo $SVCUID; "
        "[ $((n % 3)) = 0 ]"  # each third try goes well
    )
    with nucleus(tmp_path, [component], more=QUICK) as running:
        running.wait_for_state(NAME, "RUNNING")
        client = client_of(running, running.log(NAME).split()[0])
        client.update_state(state="ERRORED")
        client.close()
        wait_until(lambda: running.component(NAME)["restarts"] == 5)
        running.wait_for_state(NAME, "RUNNING")
