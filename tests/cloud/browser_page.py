"""A browser that a test presses and types in, over Chromium's own debugging protocol."""

import contextlib
import itertools
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from tests.cloud.browser import CHROMIUM, OPTIONS
from tests.cloud.site_processes import TIMEOUT_S, wait_for

_ROW = """Array.from(document.querySelectorAll("button, select, input, a")).find(
  (e) => e.checkVisibility()
    && [e.innerText.trim().split("\\n")[0], e.getAttribute("aria-label"), e.id].includes({0}))"""


class BrowserPage:
    """One open page; what is pressed is found by the words on it, its label or its id."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self.asked: list[str] = []

    def open(self, address: str) -> None:
        """Go to an address; questions that the page puts to the person are noted and said yes to."""
        self._call("Page.enable")
        self._call("Page.navigate", url=address)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression comes to on the page."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def text(self) -> str:
        """What a person reads, on one line."""
        return " ".join(str(self.value("document.body?.innerText ?? ''")).split())

    def wait_for_text(self, words: str) -> None:
        """Until these words stand on the page."""
        wait_for(lambda: words in self.text())

    def wait_for_no_text(self, words: str) -> None:
        """Until these words stand there no more."""
        wait_for(lambda: words not in self.text())

    def press(self, name: str) -> None:
        """A real click of the mouse in the middle of the element."""
        wait_for(lambda: self.value(f"!!{self._found(name)}"))
        place = self.value(
            f"(() => {{ const e = {self._found(name)}; e.scrollIntoView({{block: 'center'}});"
            " const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=place[0],
                y=place[1],
                button="left",
                clickCount=1,
            )

    def write(self, name: str, text: str) -> None:
        """Type into a field, in place of what stands there."""
        wait_for(lambda: self.value(f"!!{self._found(name)}"))
        self.value(f"{self._found(name)}.select()")
        self._call("Input.insertText", text=text)

    def choose(self, name: str, option: str) -> None:
        """Take an option of a list; its own window is the system's, which no test can press."""
        wait_for(lambda: self.value(f"!!{self._found(name)}?.querySelector('[value={option}]')"))
        self.value(
            f"(() => {{ const e = {self._found(name)}; e.value = {json.dumps(option)};"
            " e.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )

    def _found(self, name: str) -> str:
        return f"({_ROW.replace('{0}', json.dumps(name))})"

    def _call(self, method: str, **parameters: Any) -> Any:
        number = self._send(method, parameters)
        while True:
            message = json.loads(self._connection.recv(TIMEOUT_S))
            if message.get("method") == "Page.javascriptDialogOpening":
                self.asked.append(message["params"]["message"])
                self._send("Page.handleJavaScriptDialog", {"accept": True})
            elif message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def _send(self, method: str, parameters: dict[str, Any]) -> int:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        return number


@contextlib.contextmanager
def open_browser(address: str, profile: Path) -> Iterator[BrowserPage]:
    """The page at an address in a browser of its own."""
    assert CHROMIUM is not None
    options = (*OPTIONS, "--window-size=1400,1000", "--remote-debugging-port=0")
    browser = subprocess.Popen(
        [CHROMIUM, *options, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with connect(_debugger(profile), max_size=None) as connection:
            page = BrowserPage(connection)
            page.open(address)
            yield page
    finally:
        browser.terminate()
        browser.wait(TIMEOUT_S)


def _debugger(profile: Path) -> str:
    file = profile / "DevToolsActivePort"
    port = wait_for(lambda: file.exists() and file.read_text().partition("\n")[0])
    listed = wait_for(lambda: httpx.get(f"http://127.0.0.1:{port}/json", trust_env=False).json())
    (address,) = [entry["webSocketDebuggerUrl"] for entry in listed if entry["type"] == "page"]
    return str(address)
