"""A desk for each test, cleared afterwards."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.publisher.publisher_kit import PublisherUnderTest

MakeDesk = Callable[..., PublisherUnderTest]


@pytest.fixture
def make_desk(tmp_path: Path) -> Iterator[MakeDesk]:
    """Makes publishers in the test's folder and ends them."""
    desks: list[PublisherUnderTest] = []

    def make(**options: Any) -> PublisherUnderTest:
        desks.append(PublisherUnderTest(tmp_path, **options))
        return desks[-1]

    yield make
    for desk in desks:
        desk.kill()


@pytest.fixture
def desk(make_desk: MakeDesk) -> PublisherUnderTest:
    """A publisher with nothing in its folder."""
    return make_desk()
