"""Texts of any length, cut to what there is room for."""


def cut(text: str, longest: int) -> str:
    """The text, or so many of its first characters and a sign that it goes on."""
    return text if len(text) <= longest else text[:longest] + "..."
