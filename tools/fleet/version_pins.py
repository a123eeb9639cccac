"""AWS's own components in a deployment: pinned, because a new patch of the nucleus restarts devices.

Whatever is not pinned comes in the newest version that fits, with any deployment, and the nucleus with it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packaging.specifiers import SpecifierSet

NUCLEUS = "aws.greengrass.Nucleus"
NUCLEUS_LITE = "aws.greengrass.NucleusLite"
CLI = "aws.greengrass.Cli"
RESTART = "restart_component"  # the command that needs the nucleus's CLI service
ROOT_POINTERS = ("", "/")


def refused_pins(versions: Mapping[str, str], needs: Mapping[str, str]) -> Iterator[str]:
    """One line for each component of AWS that a station would get in a version nobody has chosen.

    `versions` has those of the deployment, `needs` what its components ask for, as `>=2.0.3 <3.0.0`.
    """
    if NUCLEUS_LITE in versions:
        yield (
            f"at /components/{NUCLEUS_LITE}: Nucleus Lite never gets a deployment to a single thing, and "
            "these are; deploy to a thing group of one, or locally"
        )
    elif NUCLEUS not in versions:
        yield _unpinned(NUCLEUS, "the version that the kit installed, e.g. 2.15.0")
    for name, wanted in needs.items():
        if name not in versions:
            yield _unpinned(name, f"a version {wanted}")
        elif versions[name] not in SpecifierSet(",".join(wanted.split())):
            yield f"at /components/{name}: pinned to {versions[name]}; {wanted} is needed"


def wiping_resets(resets: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """One line for each reset that would take from the nucleus what only its installation has written."""
    for name, pointers in resets.items():
        if name in (NUCLEUS, NUCLEUS_LITE) and set(pointers) & set(ROOT_POINTERS):
            yield (
                f"at /components/{name}/configurationUpdate/reset: the whole configuration has the role "
                "alias and the endpoints, without which the station is cut off; name single pointers"
            )


def missing_restarts(versions: Mapping[str, str], publisher: Mapping[str, Any]) -> Iterator[str]:
    """A line if the command to start a component again is allowed and the nucleus cannot obey it."""
    allowed = (publisher.get("commands") or {}).get("allowed") or []
    kinds = {entry.get("kind") for entry in allowed if isinstance(entry, Mapping)}
    if RESTART in kinds and CLI not in versions:
        yield _unpinned(
            CLI, "that of the nucleus", f"Nucleus 2.x carries out {RESTART} by it alone; "
        )


def _unpinned(name: str, version: str, why: str = "") -> str:
    return (
        f"at /components/{name}: not pinned; {why}else it may come in another version with any deployment "
        f'and restart the station. Write  {name}: {{version: "..."}}  with {version}'
    )
