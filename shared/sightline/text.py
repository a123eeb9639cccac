"""Texts of any length and origin, as a message can carry them."""


def truncate(text: str, max_characters: int) -> str:
    """The text, or so many of its first characters and a sign that it goes on."""
    return text if len(text) <= max_characters else text[:max_characters] + "..."


def escape_invalid_utf8(text: str) -> str:
    """The text as UTF-8 can carry it: a file's name may hold bytes that are none."""
    return text.encode("utf-8", errors="backslashreplace").decode()
