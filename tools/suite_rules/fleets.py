"""Deployment files are typed, and every station in them asks for what its components take."""

from sightline.errors import RecipeError
from tools.fleet.checks import Checker
from tools.fleet.desired import stations_of
from tools.fleet.files import parse


def refused_stations(name: str, text: str, checker: Checker) -> list[str]:
    """One line for each thing that a component would refuse, or that pins another version."""
    try:
        file = parse(name, text)
        if not file.sites:
            return []
        found = [checker.check(station) for station in stations_of(file)]
    except RecipeError as error:
        return [str(error)]
    lines = (line for verdict in found for line in (*verdict.refused, *verdict.unchecked))
    return [f"{name} {line}" for line in dict.fromkeys(lines)]
