"""The token exchange service gives AWS credentials to components, and to nobody else."""

import http.client
import json
from pathlib import Path
from urllib.parse import urlsplit

from tests.unit.nucleus.running_nucleus import RecipeBuilder, RunningNucleus, nucleus, wait_until

NAME = "com.example.A"
KEY = {"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "very secret", "Token": "session"}
PROGRAM = """
import boto3
found = boto3.Session().get_credentials().get_frozen_credentials()
print("found", found.access_key, found.secret_key, found.token, flush=True)
"""


def credentials(folder: Path) -> tuple[str, str]:
    """The arguments that make a nucleus hand out the key."""
    path = folder / "credentials.json"
    path.write_text(json.dumps(KEY))
    return "--credentials", str(path)


def telling(running: RunningNucleus) -> tuple[str, str]:
    """Where the component was told to ask, and with which token."""
    log = wait_until(lambda: "done" in running.log(NAME) and running.log(NAME))
    variables = dict(line.split("=", 1) for line in log.splitlines() if "=" in line)
    return (
        variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
        variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"],
    )


def answer(uri: str, token: str | None, method: str = "GET", path: str = "") -> tuple[int, bytes]:
    """Status and content."""
    place = urlsplit(uri)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=10)
    try:
        headers = {} if token is None else {"Authorization": token}
        connection.request(method, path or place.path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_who_brings_a_component_s_token_is_given_the_credentials(tmp_path: Path) -> None:
    component = RecipeBuilder(NAME, run="env; echo done; sleep 100")
    with nucleus(tmp_path, [component], more=credentials(tmp_path)) as running:
        uri, token = telling(running)
        status, content = answer(uri, token)
        assert urlsplit(uri).hostname == "127.0.0.1"
        assert status == 200
        assert KEY.items() <= json.loads(content).items()
        for wrong in (None, "", "someone else's"):
            assert answer(uri, wrong) == (403, b"")
        assert answer(uri, token, path="/elsewhere") == (404, b"")
        assert answer(uri, token, method="PUT") == (405, b"")


def test_the_unchanged_aws_sdk_finds_them_by_itself(tmp_path: Path) -> None:
    (tmp_path / "asks.py").write_text(PROGRAM)
    component = RecipeBuilder(NAME, run=f'"$SIGHTLINE_PYTHON" {tmp_path / "asks.py"}')
    component.lifecycle["Setenv"] = {"HOME": str(tmp_path)}
    with nucleus(tmp_path, [component], more=credentials(tmp_path)) as running:
        running.wait_for_state(NAME, "FINISHED")
    assert "found AKIDEXAMPLE very secret session" in running.log(NAME)


def test_without_credentials_a_component_is_not_told_of_any(tmp_path: Path) -> None:
    with nucleus(tmp_path, [RecipeBuilder(NAME, run="env; echo done")]) as running:
        wait_until(lambda: "done" in running.log(NAME))
    assert "AWS_CONTAINER" not in running.log(NAME)


def test_a_file_that_holds_no_credentials_ends_the_command_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "wrong.json").write_text('{"AccessKeyId": "x"}')
    wrong = ("--credentials", str(tmp_path / "wrong.json"))
    with nucleus(tmp_path, [RecipeBuilder(NAME, run="true")], more=wrong) as running:
        assert running.process.wait(30) == 1
        assert running.process.stderr is not None
        assert b"wrong.json: no credentials" in running.process.stderr.read()
