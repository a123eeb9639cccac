"""Component versions and version requirements."""

import re

from sightline.errors import RecipeError

_TERM = re.compile(r"(>=|<=|>|<|=|\^|~)?\s*(\d+(?:\.\d+){0,2})")
VersionNumber = tuple[int, int, int]


def meets_requirement(version: str, requirement: str) -> bool:
    """Whether a version meets a requirement such as `1.2.3`, `>=1.0 <2.0`, `^1.2` or `*`.

    Terms are joined by blanks, alternatives by `||`. RecipeError if the requirement is none of these.
    """
    wanted = _parse_version(version)
    return any(
        all(
            _meets_term(wanted, sign, _parse_version(number))
            for sign, number in _parse_terms(alternative)
        )
        for alternative in requirement.split("||")
    )


def _parse_terms(alternative: str) -> list[tuple[str, str]]:
    text = alternative.strip()
    if text in ("*", ""):
        return []
    terms = _TERM.findall(text)
    if _TERM.sub("", text).strip():
        raise RecipeError(
            f"found the version requirement {alternative!r}; expected a form such as '>=1.0.0 <2.0.0'"
        )
    return terms


def _parse_version(text: str) -> VersionNumber:
    numbers = [int(part) for part in text.split(".")]
    major, minor, patch = numbers + [0] * (3 - len(numbers))
    return major, minor, patch


def _meets_term(version: VersionNumber, sign: str, wanted: VersionNumber) -> bool:
    if sign == ">=":
        return version >= wanted
    if sign == "<=":
        return version <= wanted
    if sign == ">":
        return version > wanted
    if sign == "<":
        return version < wanted
    if sign == "~":
        return version >= wanted and version[:2] == wanted[:2]
    if sign == "^":
        fixed = next((index for index, number in enumerate(wanted) if number), 2) + 1
        return version >= wanted and version[:fixed] == wanted[:fixed]
    return version == wanted
