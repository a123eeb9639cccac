"""Commands of the AWS command line, held against botocore's models of the services."""

import re
from collections.abc import Iterable, Sequence

import botocore.session

OF_THE_COMMAND_LINE = {
    "region",
    "query",
    "output",
    "certificate-pem-outfile",
    "private-key-outfile",
}


def check_by_models(commands: Iterable[Sequence[str]]) -> None:
    """Each operation must be there, with all options that it needs and none that it does not know."""
    session = botocore.session.get_session()
    for _, service, operation, *words in commands:
        model = session.get_service_model({"s3api": "s3"}.get(service, service))
        name = "".join(part.capitalize() for part in operation.split("-"))
        shape = model.operation_model(name).input_shape
        given = {word[2:] for word in words if word.startswith("--")} - OF_THE_COMMAND_LINE
        assert given <= {*map(_option, shape.members), "enabled"}, name
        assert {_option(member) for member in shape.required_members} <= given, name


def _option(member: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"-\1", member).lower()
