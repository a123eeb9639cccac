"""Options of the whole suite."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--renew-golden` writes the golden files of the contracts anew; look at the difference."""
    parser.addoption(
        "--renew-golden", action="store_true", help="write the contracts' golden files anew"
    )


@pytest.hookimpl(tryfirst=True)  # before the workers' own hook reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole stations run one after the other, in one of the suite's workers."""
    for item in items:
        if item.get_closest_marker("station") is not None:
            item.add_marker(pytest.mark.xdist_group("station"))


@pytest.fixture(scope="session")
def renew_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written instead of compared."""
    return bool(request.config.getoption("--renew-golden"))
