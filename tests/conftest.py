"""Options of the whole suite."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--renew-golden` writes the golden files of the contracts anew; look at the difference."""
    parser.addoption(
        "--renew-golden", action="store_true", help="write the contracts' golden files anew"
    )


@pytest.fixture(scope="session")
def renew_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written instead of compared."""
    return bool(request.config.getoption("--renew-golden"))
