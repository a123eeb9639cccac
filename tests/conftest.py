"""Options of the whole suite, and how its tests are shared out between two workers."""

from pathlib import Path
from typing import Any

import pytest

STATIONS = (Path("tests/pipeline"), Path("tests/replay"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--renew-golden` writes the golden files of the contracts anew; look at the difference."""
    parser.addoption(
        "--renew-golden", action="store_true", help="write the contracts' golden files anew"
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Whole stations run one after the other in one worker, from the start; other tests file by file.

    Told by the path, because pytest-xdist 3.8 loses the groups of marked tests under pytest 9.
    """
    config.option.loadscopereorder = False  # else files with more tests would come first
    from xdist.scheduler.loadscope import LoadScopeScheduling  # only there where -n is

    class StationsInOneWorker(LoadScopeScheduling):  # type: ignore[misc,unused-ignore]
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.split("::", 1)[0]
            return "stations" if _is_of_stations(Path(path)) else path

    return StationsInOneWorker(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Whole stations come first, for they take longest; elsewhere one would run beside another."""
    places = {item.nodeid: item.path.relative_to(config.rootpath) for item in items}
    for item in items:
        if item.get_closest_marker("station") and not _is_of_stations(places[item.nodeid]):
            allowed = " or ".join(map(str, STATIONS))
            raise pytest.UsageError(f"{item.nodeid}: tests of whole stations belong in {allowed}")
    items.sort(key=lambda item: not _is_of_stations(places[item.nodeid]))


def _is_of_stations(place: Path) -> bool:
    return any(place.is_relative_to(folder) for folder in STATIONS)


@pytest.fixture(scope="session")
def renew_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written instead of compared."""
    return bool(request.config.getoption("--renew-golden"))
