"""What stands in no tracked file is caught."""

import pytest

from tools.suite_rules import (
    forbidden_text,
)
from tools.suite_rules.source_files import SourceFile


@pytest.mark.parametrize(
    ("text", "caught"),
    [
        ("FOLDER = '/root/models'", True),
        ("open('/tmp/x.json')", True),
        ("cp /home/anna/model.onnx .", True),
        ("pip install --index-url https://mirror.example/simple onnx", True),
        ("# TODO later", True),
        ("key = 'AKIAABCDEFGHIJKLMNOP'", True),
        ("-----BEGIN RSA PRIVATE KEY-----", True),
        ("/var/lib/sightline and https://example.com/work/list", False),
        ("{artifacts:decompressedPath}/work/launch.sh", False),
        ("tmp_path / 'work' / 'x'", False),
    ],
)
def test_forbidden_texts_are_caught(text: str, caught: bool) -> None:
    assert bool(forbidden_text.find_forbidden_texts(SourceFile("docs/page.md", text))) is caught
