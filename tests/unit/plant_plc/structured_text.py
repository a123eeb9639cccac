"""Runs a function block in Structured Text: enough of IEC 61131-3 for the listing in docs/plc.

Declarations become objects, the body becomes Python; REAL is computed in double precision.
"""

import copy
import re
from types import CodeType, SimpleNamespace
from typing import Any

ZERO = {"BOOL": False, "REAL": 0.0, "UINT": 0, "UDINT": 0, "DINT": 0, "ULINT": 0}
WORDS = {"AND": "and", "OR": "or", "NOT": "not", "MOD": "%", "TRUE": "True", "FALSE": "False"}
DECLARATION = re.compile(r"(\w+)\s*:\s*(?:ARRAY\[0\.\.(\d+)\] OF )?(\w+)(?:\s*:=\s*([^;]+))?;")
ASSIGNMENT = re.compile(r"^([\w.\[\] +-]+?)\s*:=\s*(.*);$")


def _wrapped_dint(value: int) -> int:
    """What 32 bits with a sign keep of a number."""
    return (value + 2**31) % 2**32 - 2**31


FUNCTIONS = {
    "MIN": min,
    "MAX": max,
    "ABS": abs,
    "UDINT_TO_UINT": int,
    "DINT_TO_REAL": float,
    "copy": copy.copy,
    "wrapped_dint": _wrapped_dint,
}


class FunctionBlock:
    """One instance: its variables are attributes of `values`; `call` runs the body once."""

    def __init__(self, listing: str) -> None:
        text = re.sub(r"\(\*.*?\*\)", "", listing, flags=re.DOTALL)
        self._types = {
            name: DECLARATION.findall(body)
            for name, body in re.findall(r"TYPE (\w+) :\s*STRUCT(.*?)END_STRUCT", text, re.DOTALL)
        }
        block = text[text.index("FUNCTION_BLOCK") : text.index("END_FUNCTION_BLOCK")]
        head, _, body = block.rpartition("END_VAR")
        self.values = SimpleNamespace(**self._declared(DECLARATION.findall(head)))
        self._body = _compiled(body)

    def call(self, **inputs: Any) -> None:
        """One cycle of the task."""
        names = vars(self.values)
        names.update(inputs)
        scope = {**FUNCTIONS, **names}
        exec(self._body, {"__builtins__": {"range": range, "int": int}}, scope)
        names.update({name: scope[name] for name in names})

    def _declared(self, rows: list[tuple[str, str, str, str]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, last, kind, initial in rows:
            if last:
                found[name] = [self._zero(kind) for _ in range(int(last) + 1)]
            elif initial:
                found[name] = eval(_expression(initial), {"__builtins__": {}})
            else:
                found[name] = self._zero(kind)
        return found

    def _zero(self, kind: str) -> Any:
        if kind in ZERO:
            return ZERO[kind]
        return SimpleNamespace(**self._declared(self._types[kind]))


def _compiled(body: str) -> CodeType:
    lines, depth = [], 0
    for statement in _statements(body):
        text = statement.strip()
        if text.startswith(("ELSIF", "ELSE", "END_")):
            depth -= 1
        if not text.startswith("END_"):
            lines.append("    " * depth + _python(text))
        if text.startswith(("IF", "ELSIF", "ELSE", "FOR", "WHILE")):
            depth += 1
    return compile("\n".join(lines), "listing", "exec")


def _statements(body: str) -> list[str]:
    """One text a statement; a condition ends with THEN or DO."""
    statement = r"\s*((?:IF|ELSIF)\b.*?\bTHEN|ELSE\b|(?:FOR|WHILE)\b.*?\bDO|[^;]+;)"
    return re.findall(statement, body.strip(), re.DOTALL)


def _python(text: str) -> str:
    if text == "ELSE":
        return "else:"
    if text.startswith("FOR"):
        name, first, last = re.findall(r"FOR (\w+) := (.*) TO (.*) DO", text)[0]
        return f"for {name} in range({_expression(first)}, {_expression(last)} + 1):"
    for word, python in (("IF", "if"), ("ELSIF", "elif"), ("WHILE", "while")):
        if text.startswith(word + " "):
            return f"{python} {_expression(re.sub(r' (THEN|DO)$', '', text[len(word) :].strip()))}:"
    target, value = ASSIGNMENT.findall(text)[0]
    keep = "wrapped_dint" if target.startswith("di") else "copy"
    return f"{target} = {keep}({_expression(value)})"


def _expression(text: str) -> str:
    spelled = re.sub(r"\b[A-Z]+\b", lambda found: WORDS.get(found.group(0), found.group(0)), text)
    return re.sub(r"(?<![<>:!])=", "==", spelled.replace("<>", "!="))
