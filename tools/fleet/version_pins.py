"""Checks that AWS's components are pinned: an unpinned nucleus may be updated and restart devices.

Each deployment installs the newest matching version of whatever is not pinned, the nucleus included.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packaging.specifiers import SpecifierSet

NUCLEUS = "aws.greengrass.Nucleus"
NUCLEUS_LITE = "aws.greengrass.NucleusLite"
CLI = "aws.greengrass.Cli"
RESTART = "restart_component"  # the command that needs the nucleus's CLI service
ROOT_POINTERS = ("", "/")


def find_pin_problems(versions: Mapping[str, str], needs: Mapping[str, str]) -> Iterator[str]:
    """One line for each AWS component that is not pinned to a suitable version.

    `versions` has the deployment's versions, `needs` the requirements, such as `>=2.0.3 <3.0.0`.
    """
    if NUCLEUS_LITE in versions:
        yield (
            f"at /components/{NUCLEUS_LITE}: Nucleus Lite never gets a deployment to a single thing, "
            "as made here; deploy to a thing group of one, or locally"
        )
    elif NUCLEUS not in versions:
        yield _describe_unpinned_component(
            NUCLEUS, "the version that the kit installed, e.g. 2.15.0"
        )
    for name, wanted in needs.items():
        if name not in versions:
            yield _describe_unpinned_component(name, f"a version that meets {wanted}")
        elif versions[name] not in SpecifierSet(",".join(wanted.split())):
            yield f"at /components/{name}: pinned to {versions[name]}; {wanted} is needed"


def find_wiping_resets(resets: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """One line for each reset that would erase the nucleus's installed configuration."""
    for name, pointers in resets.items():
        if name in (NUCLEUS, NUCLEUS_LITE) and set(pointers) & set(ROOT_POINTERS):
            yield (
                f"at /components/{name}/configurationUpdate/reset: this would erase the role alias and "
                "the endpoints and disconnect the station; list single pointers"
            )


def find_missing_cli(versions: Mapping[str, str], publisher: Mapping[str, Any]) -> Iterator[str]:
    """A line if restart_component is allowed but the nucleus cannot carry it out."""
    allowed = (publisher.get("commands") or {}).get("allowed") or []
    kinds = {entry.get("kind") for entry in allowed if isinstance(entry, Mapping)}
    if RESTART in kinds and CLI not in versions:
        yield _describe_unpinned_component(
            CLI, "the nucleus's version", f"Nucleus 2.x needs it for {RESTART}; "
        )


def _describe_unpinned_component(name: str, version: str, why: str = "") -> str:
    return (
        f"at /components/{name}: not pinned; {why}any deployment may install another version and restart "
        f'the station. Write  {name}: {{version: "..."}}  with {version}'
    )
