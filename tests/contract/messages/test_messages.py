"""The messages on the wire are a contract: version 1 stays readable, fields are only added.

`pytest tests/contract/messages --renew-golden` writes the golden files after an addition. What
removes or changes a field is refused even then: that needs a new version of the schema.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from sightline.messaging.codec import KNOWN_SCHEMA_VERSION, decode, encode
from sightline.messaging.topics import CATALOGUE
from tests.contract.messages.message_examples import EXAMPLES

GOLDEN = Path(__file__).parent / "golden"
SCHEMA_FILE = GOLDEN / f"schema.v{KNOWN_SCHEMA_VERSION}.json"
TYPES = tuple(dict.fromkeys(stream.message for stream in CATALOGUE))
VERSION_FIELDS = ("schema_version", "schemaVersion")

Schema = dict[str, dict[str, Any]]


def golden_file(message: msgspec.Struct) -> Path:
    return GOLDEN / f"{type(message).__name__}.v{KNOWN_SCHEMA_VERSION}.json"


def schema_now() -> Schema:
    """Each struct that goes over a wire: its fields with type and default, and what is required."""
    _, components = msgspec.json.schema_components(TYPES)
    return {
        name: {
            "properties": component["properties"],
            "required": sorted(component.get("required", [])),
        }
        for name, component in sorted(components.items())
    }


def not_additive(before: Schema, after: Schema) -> list[str]:
    """One line for each change that an older or newer station at the other end would not survive."""
    found = []
    for name, struct in before.items():
        now = after.get(name, {"properties": {}, "required": []})
        found += [
            f"{name}.{field}: was {kind}; is {now['properties'].get(field)}"
            for field, kind in struct["properties"].items()
            if not takes_all_of(kind, now["properties"].get(field))
        ]
        found += [
            f"{name}.{field}: required in one of the two only"
            for field in sorted(set(struct["required"]) ^ set(now["required"]))
        ]
    return found


def takes_all_of(before: Any, after: Any) -> bool:
    """Whether a field is as it was; allowed words, and fields of a default, may have become more."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return bool(before == after)
    words = set(before.get("enum", ())) <= set(after.get("enum", ()))
    old, new = before.get("default"), after.get("default")
    grown = isinstance(old, dict) and isinstance(new, dict) and old.items() <= new.items()
    compared = {"enum": 0, "default": 0} if grown else {"enum": 0}
    return words and {**before, **compared} == {**after, **compared}


def test_every_message_of_the_catalogue_has_its_example() -> None:
    assert {type(message) for message in EXAMPLES} == set(TYPES)
    assert len(EXAMPLES) == len(TYPES)


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_an_example_leaves_no_field_at_its_default(message: msgspec.Struct) -> None:
    for field in msgspec.structs.fields(message):
        if field.name not in VERSION_FIELDS:
            assert getattr(message, field.name) != field.default, field.name


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_a_message_is_on_the_wire_as_its_golden_file_has_it(
    message: msgspec.Struct, renew_golden: bool
) -> None:
    file = golden_file(message)
    payload = encode(message)
    if renew_golden:
        file.write_bytes(msgspec.json.format(payload, indent=2) + b"\n")
    golden = msgspec.json.format(file.read_bytes(), indent=-1)
    assert decode(type(message), golden) == message
    assert golden.decode() == payload.decode()


def test_fields_are_only_added(renew_golden: bool) -> None:
    before = msgspec.json.decode(SCHEMA_FILE.read_bytes()) if SCHEMA_FILE.exists() else {}
    after = msgspec.json.decode(msgspec.json.encode(schema_now()))
    assert not_additive(before, after) == []
    if renew_golden:
        SCHEMA_FILE.write_bytes(msgspec.json.format(msgspec.json.encode(after), indent=2) + b"\n")
        before = after
    assert before == after, "fields were added; renew with --renew-golden"


def test_no_golden_file_is_left_of_a_message_that_is_gone() -> None:
    expected = {golden_file(message).name for message in EXAMPLES} | {SCHEMA_FILE.name}
    assert {file.name for file in GOLDEN.iterdir()} == expected


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_a_reader_of_today_takes_what_a_later_sender_adds(message: msgspec.Struct) -> None:
    payload = encode(message)[:-1] + b',"addedLater":{"values":[1,null]}}'
    assert decode(type(message), payload) == message


OLD: Schema = {"Part": {"properties": {"epoch": {"type": "integer"}}, "required": ["epoch"]}}


@pytest.mark.parametrize(
    ("properties", "required", "accepted"),
    [
        ({"epoch": {"type": "integer"}}, ["epoch"], True),
        ({"epoch": {"type": "integer"}, "lot": {"default": ""}}, ["epoch"], True),
        ({"epoch": {"type": "integer"}, "lot": {}}, ["epoch", "lot"], False),
        ({"epoch": {"type": "string"}}, ["epoch"], False),
        ({"epoch": {"type": "integer"}}, [], False),
        ({}, [], False),
        ({"epoch": {"enum": ["a"]}}, ["epoch"], False),
    ],
)
def test_what_counts_as_an_addition(
    properties: dict[str, Any], required: list[str], accepted: bool
) -> None:
    after: Schema = {"Part": {"properties": properties, "required": required}}
    assert (not_additive(OLD, after) == []) is accepted
    assert not_additive(OLD, {}) != []


@pytest.mark.parametrize(
    ("words", "accepted"),
    [(["ok", "defect"], True), (["ok", "new", "defect"], True), (["ok"], False)],
)
def test_allowed_words_are_only_added(words: list[str], accepted: bool) -> None:
    before, after = (
        {"Part": {"properties": {"verdict": {"enum": enum}}, "required": []}}
        for enum in (["defect", "ok"], words)
    )
    assert (not_additive(before, after) == []) is accepted
