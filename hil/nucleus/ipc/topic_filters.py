"""Matches MQTT topic filters and the wildcards of accessControl."""

import re
from functools import lru_cache


def is_filter(topic: str) -> bool:
    """Whether a subscription's topic has MQTT wildcards."""
    return "+" in topic or "#" in topic


def filter_matches(topic_filter: str, topic: str) -> bool:
    """Whether an MQTT filter matches a topic; `+` is one level, a final `#` all remaining levels."""
    return _filter_matches(tuple(topic_filter.split("/")), tuple(topic.split("/")))


def _filter_matches(wanted: tuple[str, ...], levels: tuple[str, ...]) -> bool:
    for position, level in enumerate(wanted):
        if level == "#":
            return position == len(wanted) - 1
        if position >= len(levels) or level not in ("+", levels[position]):
            return False
    return len(wanted) == len(levels)


def glob_matches(pattern: str, text: str) -> bool:
    """Whether a resource of accessControl matches a text; `*` is any sequence of characters.

    `${*}`, `${?}` and `${$}` stand for the characters themselves.
    """
    return _compile_glob(pattern).fullmatch(text) is not None


@lru_cache(maxsize=4096)
def _compile_glob(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\$\{[*?$]\}|\*)", pattern)
    return re.compile("".join(_part_pattern(part) for part in parts), re.DOTALL)


def _part_pattern(part: str) -> str:
    if part == "*":
        return ".*"
    if part in ("${*}", "${?}", "${$}"):
        return re.escape(part[2])
    return re.escape(part)
