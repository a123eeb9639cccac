"""Texts of any length and origin, as a message can carry them."""


def cut(text: str, longest: int) -> str:
    """The text, or so many of its first characters and a sign that it goes on."""
    return text if len(text) <= longest else text[:longest] + "..."


def carried(text: str) -> str:
    """The text as UTF-8 can carry it: a file's name may hold bytes that are none."""
    return text.encode("utf-8", errors="backslashreplace").decode()
