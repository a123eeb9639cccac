"""The deployment that runs a product: made from another one, or edited with its comments kept."""

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from sightline.errors import RecipeError
from sightline.messaging.topics import CAPTURE, EQUIPMENT, INFERENCE
from tools.stage.suite_version import OWN_VERSION_PREFIXES
from tools.suite_rules.recipe_rules import parse_recipe

Json = dict[str, Any]
_HEADER = """# One machine that judges {product}: made by tools.add_model from {base}; yours to edit.
#   make run DEPLOYMENT={product} IMAGES=DIR
"""


def build_deployment(
    base_name: str,
    base: str,
    product: str,
    models: Sequence[str],
    versions: Mapping[str, str],
    cameras: Sequence[str],
) -> str:
    """A deployment as the base, but with this product, its models and these cameras."""
    content = copy.deepcopy(dict(parse_recipe(base_name, base)))
    before: Json = content["components"]
    folder = _merge_of(before, CAPTURE).get("stationFolder")
    components: Json = {name: {"version": version} for name, version in versions.items()}
    for name in () if folder is None else versions:
        _merge_of(components, name)["stationFolder"] = folder
    components |= {
        name: entry for name, entry in before.items() if not name.startswith(OWN_VERSION_PREFIXES)
    }
    _merge_of(components, CAPTURE).update(product=product, cameras=list(cameras))
    _merge_of(components, INFERENCE).update(
        cameras=list(cameras), models=[{"name": name} for name in models]
    )
    _merge_of(components, EQUIPMENT).update(products={"1": product})
    content["components"] = components
    text = yaml.safe_dump(content, sort_keys=False, width=100, default_flow_style=None)
    return _HEADER.format(product=product, base=base_name) + text


def pin_versions(name: str, text: str, versions: Mapping[str, str]) -> str:
    """The deployment with other versions of components that it has; comments stay."""
    pinned = parse_recipe(name, text).get("components") or {}
    wanted = {n: v for n, v in versions.items() if n in pinned and pinned[n].get("version") != v}
    for component, version in wanted.items():
        text = _replace_version(text, component, version)
    found = parse_recipe(name, text)["components"]
    for component, version in wanted.items():
        if found[component].get("version") != version:
            raise RecipeError(
                f"{name} at /components/{component}/version: found {found[component].get('version')!r}, "
                f"which cannot be edited here; write {version} there"
            )
    return text


def add_components(name: str, text: str, versions: Mapping[str, str]) -> str:
    """The deployment with components that it lacks, in front of the others."""
    content = parse_recipe(name, text)
    lacking = {n: v for n, v in versions.items() if n not in content["components"]}
    if not lacking:
        return text
    folder = _merge_of(dict(content["components"]), CAPTURE).get("stationFolder")
    merge = (
        "" if folder is None else f", configurationUpdate: {{merge: {{stationFolder: {folder}}}}}"
    )
    lines = "".join(f'  {n}: {{version: "{v}"{merge}}}\n' for n, v in lacking.items())
    whole, count = re.subn(r"^(components:[^\n]*\n)", rf"\g<1>{lines}", text, count=1, flags=re.M)
    if count != 1:
        raise RecipeError(f"{name}: found no line 'components:'; add by hand\n{lines}")
    return whole


def find_missing_settings(text: str, name: str, product: str, models: Sequence[str]) -> list[str]:
    """What a deployment of one's own does not say yet, as lines to write into it."""
    components = dict(parse_recipe(name, text)["components"])
    found = []
    if _merge_of(components, CAPTURE).get("product") != product:
        found.append(
            f"{name} at /components/{CAPTURE}/configurationUpdate/merge: product: {product}"
        )
    served = {entry.get("name") for entry in _merge_of(components, INFERENCE).get("models") or ()}
    if not served.issuperset(models):
        listed = ", ".join(f"{{name: {model}}}" for model in models)
        found.append(
            f"{name} at /components/{INFERENCE}/configurationUpdate/merge: models: [{listed}]"
        )
    return found


def _merge_of(components: Json, name: str) -> Json:
    """A component's merge, to be read or changed in place."""
    entry: Json = components.setdefault(name, {})
    update: Json = entry.setdefault("configurationUpdate", {})
    merge: Json = update.setdefault("merge", {})
    return merge


def _replace_version(text: str, component: str, version: str) -> str:
    """In `NAME: {version: ...}` on one line, or as the first key of the lines below."""
    before = rf"^(  {re.escape(component)}:(?:[^\n]*\{{[^\n]*?|[^\n]*\n(?:    [^\n]*\n)*?    )version:\s*)"
    return re.sub(
        before + r"""["']?[^"'\s,}]+["']?""", rf'\g<1>"{version}"', text, count=1, flags=re.M
    )
