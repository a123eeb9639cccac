"""`account`, given again: what has changed since is brought to AWS, and what failed is done."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jmespath  # type: ignore[import-untyped]
import pytest

from tests.unit.provision.aws_models import check_by_models
from tests.unit.provision.conftest import BlankMachine, Run
from tools.iam.receipt_rules import build_receipt_rules

HOOK = "arn:aws:lambda:eu-central-1:123456789012:function:hook"
Account = Callable[..., list[list[str]]]


@pytest.fixture
def account(run: Run, machine: BlankMachine) -> Account:
    """Runs the account's side with a kit of its own; returns what AWS was asked this time."""
    shutil.rmtree(machine.kit)

    def apply(*words: str, code: int = 0) -> list[list[str]]:
        before = len(machine.calls)
        done = run("account", "--apply", *words)
        assert done.returncode == code, done.stderr
        return [call.split() for call in machine.calls[before:] if call.startswith("aws ")]

    return apply


def asked(calls: list[list[str]], operation: str) -> list[str]:
    """The calls of an operation, each as one line without its region."""
    return [" ".join(call[5:]) for call in calls if call[2] == operation]


def test_a_policy_that_has_changed_comes_into_force_and_the_others_stay(
    account: Account, machine: BlankMachine
) -> None:
    assert asked(account(), "create-policy-version") == []
    policy = machine.policies / "device.json"
    policy.write_text(policy.read_text().replace("rolealias/sightline", "rolealias/another"))
    calls = account()
    renewed = f"--policy-name sightline-device --set-as-default --policy-document file://{policy}"
    assert asked(calls, "create-policy-version") == [renewed]
    given_up = "--policy-name sightline-device --policy-version-id"
    assert asked(calls, "delete-policy-version") == [f"{given_up} 2", f"{given_up} 1"]
    check_by_models(calls)
    assert asked(account(), "create-policy-version") == []


@pytest.mark.parametrize(
    ("count", "in_force", "given_up"), [(4, 4, []), (5, 5, ["1"]), (5, 1, ["2"]), (1, 1, [])]
)
def test_room_for_a_fifth_version_is_made_by_the_oldest_that_is_not_in_force(
    count: int, in_force: int, given_up: list[str], account: Account, machine: BlankMachine
) -> None:
    account()
    policy = machine.policies / "device.json"
    policy.write_text(policy.read_text().replace("rolealias/sightline", "rolealias/another"))
    (listed,) = asked(account(), "list-policy-versions")
    query = listed.partition("--query ")[2].partition(" --output")[0]
    versions: Any = [
        {"versionId": str(n), "isDefaultVersion": n == in_force, "createDate": n}
        for n in range(count, 0, -1)
    ]
    assert jmespath.search(query, {"policyVersions": versions}) == given_up


def test_a_hook_that_is_named_later_is_asked_from_then_on(account: Account) -> None:
    assert asked(account(), "update-provisioning-template") == []
    calls = account("--hook", HOOK)
    (updated,) = asked(calls, "update-provisioning-template")
    assert updated.endswith(f"--pre-provisioning-hook payloadVersion=2020-04-01,targetArn={HOOK}")
    check_by_models(calls)


def test_a_claim_that_did_not_get_its_policy_gets_it_the_next_time(
    account: Account, machine: BlankMachine
) -> None:
    refused = Path(f"{machine.calls_file}.refused")
    refused.touch()
    account(code=254)
    refused.unlink()
    calls = account()
    assert asked(calls, "attach-policy") == ["--policy-name sightline-claim --target arn:of:claim"]
    assert asked(calls, "create-keys-and-certificate") == []
    assert (machine.kit / "fleet.conf").is_file()


def test_a_kit_whose_claim_is_not_known_by_its_arn_is_told_of(
    account: Account, run: Run, machine: BlankMachine
) -> None:
    account()
    (machine.kit / "claim.arn").unlink()
    done = run("account", "--apply")
    assert done.returncode == 1
    assert "has no claim.arn" in done.stderr


def test_the_rules_that_tell_what_has_arrived_are_made_and_later_renewed(
    account: Account, machine: BlankMachine
) -> None:
    files = {name: machine.policies / f"{name}.rule.json" for name in build_receipt_rules()}
    made = [
        f"--rule-name {name} --topic-rule-payload file://{file}" for name, file in files.items()
    ]
    for _ in range(2):
        calls = account()
        assert asked(calls, "create-topic-rule") == made
        assert asked(calls, "replace-topic-rule") == made
        check_by_models(calls)
    assert all(file.is_file() for file in files.values())
