"""What people read is plain English: the worst turns of a dialect are refused, with what to write instead.

Looked at is what reaches people:
- string constants of more than two words in product code, f-strings as a whole; but not docstrings (unless
  the module prints its own by `__doc__`), comments, SQL and regular expressions;
- the pages of docs/ but for decisions and benchmarks, README.md, CONTRIBUTING.md and CHANGELOG.md;
- each recipe's ComponentDescription, and the `##` help of the Makefile;
- strings in the page's scripts, and its HTML; not their comments.

Words are found across the end of a line, too. A new row of `PLAIN_WORDS` needs no other change.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tools.suite_rules.source_files import SourceFile

PLAIN_WORDS: dict[str, str] = {  # a pattern, whose blanks match line ends: what to write instead
    r"(?:is|are|was|were|be|been|being|not|never|nobody) told(?! apart)": (
        "reported, published, sent, received or announced, and by whom"
    ),
    r"told again": "sent again, reported again",
    r"nobody tells": "no message says, nobody reports",
    r"fares?": "status, state",
    r"anew": "again; a count: from 1; a file: as a new file",
    r"ways? back": "rollback, roll back to; a network: decoder",
    r"in words(?! of)": "as text, as a message; or leave it out",
    r"\w+(?:'s|s') word(?! (?:order|length|of))": "reply, report, value or decision, and whose",
    r"word of it": "notice, message",
    r"stands? beside": "is shown next to, is stored with",
    r"(?:comes?|came) of (?:it|them)": "the result, the outcome; it becomes",
    r"(?:take[ns]?|took) into hands": "put on hold, decided by a person",
    r"held back": "on hold (parts), waiting (messages)",
    r"of the CPU \(all\)": "CPU threads (default: all)",
    r"(?:brings?|brought|bringing) (?:it |them )?out": "roll out, deploy",
    r"was to be carried out": "expired, was due",
    r"by and by": "later, one after the other",
    r"(?:is|are) had again": "is back, is available again",
}
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
PRODUCT_FOLDERS = ("components/", "shared/", "cloud/", "hil/", "tools/", "training/")
MIN_WORDS = 3

_PATTERNS = {
    re.compile(rf"(?<!\w)(?:{pattern})(?!\w)".replace(" ", r"\s+"), re.IGNORECASE): advice
    for pattern, advice in PLAIN_WORDS.items()
}
_SQL = re.compile(
    r"\s*(?:SELECT|INSERT|UPDATE|DELETE|REPLACE|CREATE|ALTER|DROP|PRAGMA|WITH|ATTACH|BEGIN)\b"
)
_SCRIPT_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`""", re.DOTALL
)
_HTML_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_MAKE_HELP = re.compile(r"^[a-z-]+:.*?##(.*)$", re.MULTILINE)
_DESCRIPTION = re.compile(r"""^ComponentDescription:((?:.*\n)(?:[ \t]+.*\n)*)""", re.MULTILINE)


@dataclass(frozen=True)
class VisibleText:
    """A text that people read, and the line of the file in which it begins.

    `code` has the lines of a string constant, whose text has other line ends than the file.
    """

    line: int
    text: str
    code: tuple[str, ...] = ()


def find_dialect(source: SourceFile) -> list[str]:
    """One line for each place where a text that people read is not in plain words."""
    found = {
        (_find_line(visible, match), " ".join(match.group().split())): advice
        for visible in find_visible_texts(source)
        for pattern, advice in _PATTERNS.items()
        for match in pattern.finditer(visible.text)
    }
    return [
        f"{source.path}:{line}: {words!r} is not plain; write: {advice}"
        for (line, words), advice in sorted(found.items())
    ]


def find_visible_texts(source: SourceFile) -> Iterator[VisibleText]:
    """The texts of a file that people read."""
    path = source.path
    if path == "tools/suite_rules/plain_words.py":
        return
    if source.is_python and path.startswith(PRODUCT_FOLDERS):
        yield from _find_strings(source.text)
    elif path.startswith("cloud/web/static/") and path.endswith(".js"):
        yield from _find_script_strings(source.text)
    elif path.startswith("cloud/web/static/") and path.endswith(".html"):
        yield VisibleText(1, _HTML_COMMENT.sub(_keep_line_ends, source.text))
    elif path == "Makefile":
        yield from _find_groups(_MAKE_HELP, source.text)
    elif path == "recipe.yaml" or path.startswith("recipes/com."):
        yield from _find_groups(_DESCRIPTION, source.text)
    elif path in PAGES or _is_page(path):
        yield VisibleText(1, source.text)


def _is_page(path: str) -> bool:
    others = ("docs/decisions/", "docs/benchmarks/")
    return path.startswith("docs/") and path.endswith(".md") and not path.startswith(others)


def _find_line(visible: VisibleText, match: re.Match[str]) -> int:
    if not visible.code:
        return visible.line + visible.text.count("\n", 0, match.start())
    return visible.line + next(
        (number for number, line in enumerate(visible.code) if match.group() in line), 0
    )


def _find_strings(code: str) -> Iterator[VisibleText]:
    tree, lines = ast.parse(code), code.splitlines()
    left_out = {id(node) for node in _find_left_out(tree)}
    for node in ast.walk(tree):
        text = "" if id(node) in left_out else _extract_literal_text(node)
        if len(text.split()) >= MIN_WORDS and not _SQL.match(text):
            first, last = getattr(node, "lineno", 1), getattr(node, "end_lineno", 1)
            yield VisibleText(first, text, tuple(lines[first - 1 : last]))


def _find_left_out(tree: ast.Module) -> Iterator[ast.AST]:
    """Docstrings, patterns, and the pieces of f-strings, which are read as a whole."""
    prints_own = any(isinstance(node, ast.Name) and node.id == "__doc__" for node in ast.walk(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and not (prints_own and node is tree.body[0]):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield from (part for part in node.values if isinstance(part, ast.Constant))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re."):
            yield from node.args[:1]


def _extract_literal_text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_extract_literal_text(part) or "{}" for part in node.values)
    return ""


def _find_script_strings(text: str) -> Iterator[VisibleText]:
    for match in _SCRIPT_TOKEN.finditer(text):
        if not match.group().startswith("/") and len(match.group().split()) >= MIN_WORDS:
            yield VisibleText(_compute_line_number(text, match.start()), match.group())


def _find_groups(pattern: re.Pattern[str], text: str) -> Iterator[VisibleText]:
    for match in pattern.finditer(text):
        yield VisibleText(_compute_line_number(text, match.start(1)), match.group(1))


def _compute_line_number(text: str, offset: int) -> int:
    return 1 + text.count("\n", 0, offset)


def _keep_line_ends(match: re.Match[str]) -> str:
    return "\n" * match.group().count("\n")
