"""Checks that AWS's components are pinned: an unpinned nucleus may be updated and restart devices.

Each deployment installs the newest matching version of whatever is not pinned, the nucleus included.
Nucleus Lite is no component that a deployment could install: its deployment fails unless the version
that is named is the one that runs. It has token exchange built in, and passes over what only 2.x needs.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packaging.specifiers import SpecifierSet

NUCLEUS = "aws.greengrass.Nucleus"
NUCLEUS_LITE = "aws.greengrass.NucleusLite"
TOKEN_EXCHANGE = "aws.greengrass.TokenExchangeService"
CLI = "aws.greengrass.Cli"
ROUTER = "aws.greengrass.LegacySubscriptionRouter"
LOG_MANAGER = "aws.greengrass.LogManager"
LOG_FORWARDER = "aws.greengrass.SystemLogForwarder"
# plugins, or for Lambda functions
CLASSIC_ONLY = frozenset({NUCLEUS, TOKEN_EXCHANGE, CLI, ROUTER, LOG_MANAGER})
LITE_ONLY = frozenset(
    {NUCLEUS_LITE, LOG_FORWARDER}
)  # 2.x writes its logs to files, not to the journal
RESTART = "restart_component"  # the command that needs the nucleus's CLI service
ROOT_POINTERS = ("", "/")


def is_for_nucleus(component: str, nucleus: str) -> bool:
    """Whether stations with this nucleus (classic, lite) get the component of the file."""
    return component not in (CLASSIC_ONLY if nucleus == "lite" else LITE_ONLY)


def find_pin_problems(
    versions: Mapping[str, str], needs: Mapping[str, str], nucleus: str = "classic"
) -> Iterator[str]:
    """One line for each AWS component that is not pinned to a suitable version.

    `versions` has the deployment's versions, `needs` the requirements, such as `>=2.0.3 <3.0.0`.
    """
    if nucleus == "classic" and NUCLEUS not in versions:
        yield _describe_unpinned_component(
            NUCLEUS, "the version that the kit installed, e.g. 2.15.0"
        )
    for name, wanted in needs.items():
        if not is_for_nucleus(name, nucleus):
            continue
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


def find_missing_cli(
    versions: Mapping[str, str], publisher: Mapping[str, Any], nucleus: str = "classic"
) -> Iterator[str]:
    """A line if restart_component is allowed but the nucleus cannot carry it out."""
    allowed = (publisher.get("commands") or {}).get("allowed") or []
    kinds = {entry.get("kind") for entry in allowed if isinstance(entry, Mapping)}
    if nucleus == "classic" and RESTART in kinds and CLI not in versions:
        yield _describe_unpinned_component(
            CLI, "the nucleus's version", f"Nucleus 2.x needs it for {RESTART}; "
        )


def _describe_unpinned_component(name: str, version: str, why: str = "") -> str:
    return (
        f"at /components/{name}: not pinned; {why}any deployment may install another version and restart "
        f'the station. Write  {name}: {{version: "..."}}  with {version}'
    )
