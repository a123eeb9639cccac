"""XML with the line of each element, in the encodings that labelling tools write."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from sightline.errors import PictureError
from sightline.strict_text import find_encoding

DECLARATION = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["'][^>]*\?>""")
WIDER_ENCODINGS = {"gb2312": "gb18030", "gbk": "gb18030"}  # hold all characters of the named ones


@dataclass
class XmlElement:
    """An XML element with its line."""

    tag: str
    line: int
    text: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    children: list["XmlElement"] = field(default_factory=list)

    def find_element(self, path: str) -> "XmlElement | None":
        """The first element at a path of tags with slashes."""
        here: XmlElement | None = self
        for tag in path.split("/"):
            here = (
                next((child for child in here.children if child.tag == tag), None) if here else None
            )
        return here

    def find_elements(self, tag: str) -> list["XmlElement"]:
        """The children with this tag."""
        return [child for child in self.children if child.tag == tag]

    def find_text(self, path: str, otherwise: str = "") -> str:
        """The text of the element at a path."""
        found = self.find_element(path)
        return found.text.strip() if found else otherwise


class XmlProblemError(PictureError):
    """A file is no XML; with its line."""

    def __init__(self, text: str, line: int = 0) -> None:
        super().__init__(text)
        self.line = line


def parse_xml(file: Path) -> XmlElement:
    """The root element of an XML file; XmlProblemError with the line if it is not XML."""
    top = XmlElement("", 0)
    open_elements = [top]
    parser = expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = XmlElement(tag, parser.CurrentLineNumber, attributes=attributes)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def end(_tag: str) -> None:
        open_elements.pop()

    def text(content: str) -> None:
        open_elements[-1].text += content

    def refuse_entity(*_: object) -> None:
        raise XmlProblemError("declares an entity, which is not read", parser.CurrentLineNumber)

    handlers: tuple[Callable[..., None], ...] = (start, end, text)
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = handlers
    parser.EntityDeclHandler = refuse_entity
    try:
        parser.Parse(_read_xml_text(file), True)
    except expat.ExpatError as error:
        raise XmlProblemError(f"not XML: {error}; export it again", error.lineno) from error
    except OSError as error:
        raise XmlProblemError(f"cannot be read: {error.strerror or error}") from error
    return top.children[0]


def _read_xml_text(file: Path) -> bytes:
    """The file in UTF-8, its declaration blanked; expat itself knows few encodings."""
    content = file.read_bytes()
    declared = DECLARATION.match(content)
    named = declared[1].decode().lower() if declared else "utf-8"
    encoding = find_encoding(content, WIDER_ENCODINGS.get(named, named))
    try:
        text = content.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        said = (
            f"says that it is {named}" if declared else "names no encoding, so it should be UTF-8"
        )
        raise XmlProblemError(
            f"not XML: the file {said}, but is not: {error}; save it as UTF-8", 1
        ) from error
    return re.sub(r"^\s*<\?xml[^>]*\?>", lambda found: "\n" * found[0].count("\n"), text).encode(
        errors="surrogatepass"
    )
