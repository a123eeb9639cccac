"""The configuration of the inference component; the defaults are the recipe's."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from inference.detectors.registry import Runtime
from sightline.configuration import ConfigurationStruct
from sightline.messaging.topics import INFERENCE
from sightline.old_component_keys import OLD_COMPONENT_KEYS
from sightline.storage.products import (
    LabelTiers as LabelTiers,  # a station's own policy has them, too
)
from sightline.storage.products import VerdictPolicy as VerdictPolicy
from sightline.storage.station_folder import DEFAULT_STATION_FOLDER

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,32}$")]


class ModelConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """A model by its name in the model store, and the runtime that serves it.

    `precision`: of the form of it that is wanted, where its component brings several; empty: the one
    that is best on this machine. `digest`: only this file will do; empty: the one that the name points to.
    """

    name: Name
    runtime: Runtime = "onnx"
    precision: Literal["", "fp32", "fp16", "int8"] = ""
    digest: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$")] = ""

    @property
    def stored_name(self) -> str:
        """The name of this form in the model store."""
        return f"{self.name}-{self.precision}" if self.precision else self.name


class ShadowConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """The trial of a new model beside the one in force: on how many parts, and how long it waits for one.

    A model that judges more than `max_differing_share` of them otherwise is refused; 1: none is.
    """

    parts: Annotated[int, Meta(ge=0, le=10_000)] = 20
    max_wait_s: Annotated[float, Meta(gt=0, le=3600)] = 20.0
    max_differing_share: Annotated[float, Meta(ge=0, le=1)] = 1.0


class EvidencePictureConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """Which pictures are kept, and how: of each n-th ok part (0: none), of all others always.

    Pictures of ok parts are kept at half their size.
    """

    keep_each_ok: Annotated[int, Meta(ge=0)] = 1
    jpeg_quality: Annotated[int, Meta(ge=10, le=100)] = 85
    max_backlog: Annotated[int, Meta(ge=1, le=256)] = 16


class ChallengeConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """Parts known to be bad that prove the station: one is due each `eachH` hours (0: never).

    `closesGate`: after one that passed, no part is ok until that is acknowledged.
    """

    each_h: Annotated[float, Meta(ge=0, le=8760)] = 0.0
    closes_gate: bool = True


class InferenceConfiguration(ConfigurationStruct, frozen=True, kw_only=True):
    """Models, policy and evidence.

    `models`: how they run; those that a product names and this does not run by ONNX Runtime, as they are.
    `imagesAtOnce`: how many of a part's images are looked at side by side; 0: one a processor. `threads`
    are those of one model run: the demo models are too small for a second one to pay.
    """

    OLD_KEYS: ClassVar[Mapping[str, str]] = OLD_COMPONENT_KEYS[INFERENCE]

    cameras: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=8)] = (
        "cam1",
        "cam2",
        "cam3",
        "cam4",
    )
    station_folder: Annotated[str, Meta(min_length=1)] = DEFAULT_STATION_FOLDER
    models: Annotated[tuple[ModelConfiguration, ...], Meta(max_length=8)] = ()
    images_at_once: Annotated[int, Meta(ge=0, le=8)] = 0
    threads: Annotated[int, Meta(ge=1, le=64)] = 1
    shadow: ShadowConfiguration = ShadowConfiguration()
    policy: VerdictPolicy = VerdictPolicy()
    challenge: ChallengeConfiguration = ChallengeConfiguration()
    evidence: EvidencePictureConfiguration = EvidencePictureConfiguration()
    max_ledger_parts: Annotated[int, Meta(ge=1000)] = 100_000
