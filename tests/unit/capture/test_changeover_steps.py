"""What a part is by PLC, command and configuration, and what its product changes: pure."""

from hypothesis import given
from hypothesis import strategies as st

from capture.changeover_state import (
    ChangeoverState,
    PlannedChallenge,
    build_part_attributes,
    configuration_for_product,
    resolve_state,
)
from capture.configuration import CaptureConfiguration, ConditionLimits, ReferenceConfiguration
from capture.sources.v4l2_configuration import V4l2CameraConfiguration, V4l2Configuration
from capture.triggers.trigger import TriggerEvent
from sightline.messaging.messages import Part
from sightline.storage.products import CameraSettings, ConditionOverrides, Product

names = st.sampled_from(["", "bottle", "can", "tin"])


@given(names, names, names, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_the_plc_goes_before_commands_and_only_the_planned_part_is_a_challenge(
    plc: str, chosen: str, configured: str, epoch: int, number: int, planned: int
) -> None:
    products = {
        name: Product(
            name=name, version="3", models=("surface",), defects={}, product_labels=("lid",)
        )
        for name in ("bottle", "can")
    }
    configuration = CaptureConfiguration(product=configured)
    kept = ChangeoverState(product=chosen, lot="", configured=(configured, ""))
    kept = ChangeoverState(
        product=resolve_state(configuration, kept).product,
        lot="",
        configured=(configured, ""),
        challenge=PlannedChallenge(label="dent", epoch=5, number=planned),
    )
    part = Part(epoch, number)
    stamp = build_part_attributes(kept, TriggerEvent(1, 0, 0, product=plc), products, part)
    assert stamp.product == (plc or chosen)
    assert (stamp.version != "") == (stamp.product in products)
    assert (stamp.challenge != "") == (part == Part(5, planned))


def test_a_product_changes_limits_reference_controls_and_deadline_and_nothing_else() -> None:
    source = V4l2Configuration(
        cameras={
            "cam1": V4l2CameraConfiguration(node="/dev/video0", controls={"gain": 1, "focus": 2}),
            "cam2": V4l2CameraConfiguration(node="/dev/video1"),
        }
    )
    configuration = CaptureConfiguration(
        cameras=("cam1", "cam2"),
        source=source,
        conditions=ConditionLimits(reference=ReferenceConfiguration(folder="/references")),
    )
    product = Product(
        name="can",
        version="1",
        models=("surface",),
        defects={},
        product_labels=("lid",),
        conditions=ConditionOverrides(min_brightness=40.0),
        reference="can",
        cameras={"cam1": CameraSettings(controls={"gain": 9})},
        deadline_ms=300.0,
    )
    after = configuration_for_product(configuration, product)
    assert after.conditions.min_brightness == 40.0
    assert after.conditions.max_brightness == configuration.conditions.max_brightness
    assert after.conditions.reference is not None
    assert after.conditions.reference.folder == "/references/can"
    assert isinstance(after.source, V4l2Configuration)
    assert after.source.cameras["cam1"].controls == {"gain": 9, "focus": 2}
    assert after.source.cameras["cam2"] == source.cameras["cam2"]
    assert after.deadline_ms == 300.0
    assert configuration_for_product(configuration, None) == configuration
    moved = configuration_for_product(configuration, product, {"cam1": "cam2"}.get).source  # type: ignore[arg-type]
    assert isinstance(moved, V4l2Configuration)
    assert moved.cameras["cam2"].controls == {"gain": 9}  # the camera that stands at cam1 now
    assert moved.cameras["cam1"] == source.cameras["cam1"]
    slow = configuration_for_product(
        configuration,
        Product(
            name="can",
            version="2",
            deadline_ms=60_000.0,
            models=("surface",),
            defects={},
            product_labels=("lid",),
        ),
    )
    assert slow == configuration
