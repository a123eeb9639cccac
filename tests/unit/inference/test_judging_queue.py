"""What waits is judged before anything changes how the parts behind it are judged."""

import msgspec

from inference.models.model_loader import ModelLoaded
from sightline.kernel.component import NewConfiguration
from sightline.messaging.bus import Delivery
from sightline.messaging.messages import CommandArgument, Part, PartSettled
from sightline.messaging.topics import PART_CAPTURED, PART_SETTLED
from tests.unit.inference.conftest import CAMERAS, EPOCH, NOTHING_SETTLED, InferenceUnderTest
from tests.unit.inference.small_models import put
from tests.unit.inference.test_model_trials import blind_model, try_on
from tests.unit.inference.test_products_and_challenges import deploy
from tests.unit.inference.test_replaced_loader import event_of


def let_wait(bench: InferenceUnderTest, number: int, product: str = "", **how: object) -> None:
    """A part comes while much else does, so that it is not judged yet."""
    captured = bench.capture(number, **how)  # type: ignore[arg-type]
    named = msgspec.structs.replace(
        captured, product=product, product_version="1" if product else ""
    )
    for _ in range(9):
        settled = PartSettled(station_id=bench.station, up_to=NOTHING_SETTLED)
        bench.inbox.post(Delivery(PART_SETTLED, settled, 0))
    before = len(bench.verdicts())
    bench.deliver(PART_CAPTURED, named)
    assert len(bench.verdicts()) == before


def test_a_part_that_waits_is_judged_by_the_configuration_under_which_it_came(
    running: InferenceUnderTest,
) -> None:
    running.judge(1)
    let_wait(running, 2, cameras=CAMERAS[:3])
    fewer = msgspec.structs.replace(running.configuration, cameras=CAMERAS[:3])
    assert running.inspector is not None
    running.inspector.handle(NewConfiguration(fewer))
    waited = running.verdicts()[-1]
    assert (waited.part.part_number, waited.verdict) == (2, "review")
    assert "cam4 delivered no picture" in waited.reason


def test_a_command_holds_for_the_parts_behind_those_that_wait_and_says_so(
    bench: InferenceUnderTest,
) -> None:
    deploy(bench, "strict")
    bench.start()
    bench.judge(1)
    let_wait(bench, 2, "strict", scratches=("cam1",))
    tiers: dict[str, CommandArgument] = {"reject": 1.0, "review": 1.0}
    bench.send_command("c-1", "set_threshold", {"product": "strict", "label": "scratch", **tiers})
    waited = bench.verdicts()[-1]
    assert (waited.part.part_number, waited.policy_version) == (2, "1")
    [reply] = bench.command_replies()
    assert (reply.result, reply.from_part) == ("done", Part(EPOCH, 3))


def test_a_part_that_waits_is_judged_by_the_models_before(running: InferenceUnderTest) -> None:
    before = running.judge(1).models[0].digest
    try_on(running, parts=0)
    loaded = event_of(running, put(running.store, blind_model(running), "surface"))
    assert isinstance(loaded, ModelLoaded)
    let_wait(running, 2)
    assert running.inspector is not None
    running.inspector.handle(loaded)
    waited = running.verdicts()[-1]
    assert (waited.part.part_number, waited.models[0].digest) == (2, before)
    running.run_until("the inbox is empty", lambda: running.inbox.depth() == 0)
    assert running.judge(3).models[0].digest == loaded.proven_model.digest != before
