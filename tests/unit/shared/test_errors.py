"""The tree of errors in the documentation is the tree in the code."""

import inspect
import re

import pytest

from sightline import errors


def documented_tree() -> dict[str, str]:
    """Each error of the module's docstring and the one it hangs from."""
    parents: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^([│├└─ ]*)(\w+Error)\b", line)
        if found is None:
            continue
        depth, name = len(found.group(1)), found.group(2)
        while above and above[-1][0] >= depth:
            above.pop()
        parents[name] = above[-1][1] if above else "Exception"
        above.append((depth, name))
    return parents


def real_tree() -> dict[str, str]:
    classes = inspect.getmembers(errors, inspect.isclass)
    return {name: found.__bases__[0].__name__ for name, found in classes}


def test_the_documented_tree_is_the_real_one() -> None:
    assert documented_tree() == real_tree()


@pytest.mark.parametrize("name", real_tree())
def test_every_error_is_either_worth_another_try_or_final(name: str) -> None:
    error = getattr(errors, name)
    if error is not errors.SightlineError:
        assert issubclass(error, errors.RetryableError) != issubclass(error, errors.FatalError)
    assert error.__doc__
