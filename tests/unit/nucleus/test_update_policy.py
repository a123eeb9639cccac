"""Who is asked about a deployment, and what silence means."""

import asyncio
from typing import Any

import pytest

from hil.nucleus.local_deployments.update_policy import UpdatePolicy
from hil.nucleus.nucleus_errors import ResourceNotFoundError
from hil.nucleus.nucleus_plan import DeploymentTimeouts

QUICK = DeploymentTimeouts(validate_s=0.05, consent_s=0.05)
PATIENT = DeploymentTimeouts(validate_s=30, consent_s=30)
NAME = "com.example.A"


def ignore(event: dict[str, Any]) -> None:
    """A component that says nothing."""


def test_a_component_that_does_not_answer_refuses_its_configuration() -> None:
    async def run() -> list[str]:
        policy = UpdatePolicy(QUICK)
        policy.listen_to_configurations(NAME, ignore)
        return await policy.collect_refusals("1", {NAME: {}})

    assert asyncio.run(run()) == [f"{NAME}: no answer within 0 s"]


def test_a_component_that_does_not_answer_has_nothing_against_an_update() -> None:
    async def run() -> None:
        policy = UpdatePolicy(QUICK)
        policy.listen_to_updates(NAME, ignore)
        await asyncio.wait_for(policy.wait_for_consent("1"), 10)

    asyncio.run(run())


def test_only_components_whose_configuration_changes_are_asked() -> None:
    async def run() -> list[str]:
        policy = UpdatePolicy(PATIENT)
        policy.listen_to_configurations("com.example.Other", ignore)
        return await policy.collect_refusals("1", {NAME: {}})

    assert asyncio.run(run()) == []


def test_a_component_that_goes_while_it_is_asked_holds_nobody_up() -> None:
    async def run() -> list[str]:
        policy = UpdatePolicy(PATIENT)
        closes = [
            policy.listen_to_configurations(NAME, ignore),
            policy.listen_to_updates(NAME, ignore),
        ]
        asked = asyncio.gather(
            policy.collect_refusals("1", {NAME: {}}), policy.wait_for_consent("1")
        )
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for close in closes:
            close()
        return (await asyncio.wait_for(asked, 10))[0]

    assert asyncio.run(run()) == []


def test_a_word_that_nobody_asked_for_is_refused() -> None:
    async def run() -> None:
        policy = UpdatePolicy(PATIENT)
        policy.listen_to_updates(NAME, ignore)
        with pytest.raises(ResourceNotFoundError):
            policy.defer(NAME, "1", 1000)
        with pytest.raises(ResourceNotFoundError):
            policy.report_validity(NAME, "1", accepted=True, message="")

    asyncio.run(run())
