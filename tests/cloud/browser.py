"""A browser without a window, for what only a real page shows."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PAGE_TIME_MS = 6000
TIMEOUT_S = 120.0
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


def rendered(address: str, profile: Path) -> str:
    """The page's elements as the browser has them after some seconds of its own time."""
    return _run_browser(address, profile, "--dump-dom")


def screenshot(address: str, profile: Path, picture: Path, size: tuple[int, int]) -> None:
    """The page as a PNG of this size."""
    width, height = size
    _run_browser(address, profile, f"--screenshot={picture}", f"--window-size={width},{height}")


def _run_browser(address: str, profile: Path, *how: str) -> str:
    assert CHROMIUM is not None
    answer = subprocess.run(
        [
            *(CHROMIUM, *OPTIONS, f"--user-data-dir={profile}"),
            *(f"--virtual-time-budget={PAGE_TIME_MS}", *how, address),
        ],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    return answer.stdout


def extract_text(markup: str) -> str:
    """What a person reads of it, on one line."""
    reader = _TextParser()
    reader.feed(markup)
    return re.sub(r"\s+", " ", " ".join(reader.found))


class _TextParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)
