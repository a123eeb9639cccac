"""What docs/renames.json says of configuration keys, the structs read: every key, at every place."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest

from hil.bench.bench_description import BenchDescription
from sightline.configuration import ConfigurationStruct
from sightline.messaging.topics import COMPONENTS
from sightline.old_component_keys import OLD_COMPONENT_KEYS
from sightline.storage.products import Product
from tools.fleet.deployment_file import OLD_ROLLOUT_KEYS, DeploymentFile
from tools.recipes import ROOT, find_configuration_type

Patterns = Mapping[str, str]
Renames = dict[str, dict[str, str]]
RENAMES: Renames = json.loads((ROOT / "docs" / "renames.json").read_text())["configuration"]
READERS: dict[str, tuple[type[msgspec.Struct], Patterns]] = {
    **{
        f"components/{component.rpartition('.')[2].lower()}": (
            find_configuration_type(component),
            OLD_COMPONENT_KEYS[component],
        )
        for component in COMPONENTS
    },
    "shared/sightline": (Product, Product.OLD_KEYS),
    "hil/bench": (BenchDescription, BenchDescription.OLD_KEYS),
    "tools/fleet": (DeploymentFile, OLD_ROLLOUT_KEYS),
}


def find_fields(kind: Any, above: str = "") -> Iterator[str]:
    """The pointer of each field below a type, `*` for each entry of a map or list."""
    if isinstance(kind, msgspec.inspect.StructType):
        for field in kind.fields:
            yield f"{above}/{field.encode_name}"
            yield from find_fields(field.type, f"{above}/{field.encode_name}")
    elif isinstance(kind, msgspec.inspect.UnionType):
        for each in kind.types:
            yield from find_fields(each, above)
    elif isinstance(kind, msgspec.inspect.DictType):
        yield from find_fields(kind.value_type, f"{above}/*")
    elif isinstance(kind, msgspec.inspect.VarTupleType | msgspec.inspect.ListType):
        yield from find_fields(kind.item_type, f"{above}/*")


def new_pointers(patterns: Patterns) -> set[str]:
    return {f"{pointer.rpartition('/')[0]}/{new}" for pointer, new in patterns.items()}


def test_the_record_names_those_who_read_old_keys_and_nobody_else() -> None:
    assert RENAMES.keys() == READERS.keys()


@pytest.mark.parametrize("place", READERS)
def test_every_pattern_reaches_a_field_of_today_and_hides_none(place: str) -> None:
    kind, patterns = READERS[place]
    fields = set(find_fields(msgspec.inspect.type_info(kind)))
    own = {old: new for old, new in patterns.items() if not old.startswith("/merges/")}
    assert new_pointers(own) <= fields
    assert not own.keys() & fields


@pytest.mark.parametrize("place", READERS)
def test_every_rename_of_the_record_is_read_wherever_the_new_key_is(place: str) -> None:
    kind, patterns = READERS[place]
    fields = set(find_fields(msgspec.inspect.type_info(kind)))
    for old, new in RENAMES[place].items():
        wanted = {
            f"{field.rpartition('/')[0]}/{old}" for field in fields if field.endswith(f"/{new}")
        }
        assert wanted, new
        assert wanted <= patterns.keys()
        assert {patterns[pointer] for pointer in wanted} == {new}


@pytest.mark.parametrize("place", READERS)
def test_every_pattern_is_in_the_record(place: str) -> None:
    _, patterns = READERS[place]
    recorded = {**RENAMES["shared/sightline"], **RENAMES[place]}
    for pointer, new in patterns.items():
        if not pointer.startswith("/merges/"):  # of a component, whose record has it
            assert recorded[pointer.rpartition("/")[2]] == new


def test_a_bench_reads_old_keys_in_its_merges_for_every_component() -> None:
    below = {f"/merges/{name}{old}" for name, keys in OLD_COMPONENT_KEYS.items() for old in keys}
    assert below <= BenchDescription.OLD_KEYS.keys()


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_declares_the_old_keys_of_its_configuration(component: str) -> None:
    kind = find_configuration_type(component)
    assert issubclass(kind, ConfigurationStruct)
    assert OLD_COMPONENT_KEYS[component] == kind.OLD_KEYS


def test_the_table_of_the_docs_has_every_rename() -> None:
    text = (ROOT / "docs" / "upgrading.md").read_text()
    for place, renames in RENAMES.items():
        for old, new in renames.items():
            assert f"`{old}` | `{new}`" in text, (place, old)
