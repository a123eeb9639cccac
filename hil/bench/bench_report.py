"""Builds an HTML report from pytest's JUnit file: each test's result, reason and time."""

import html
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

TEST_OUTCOMES = ("passed", "failed", "skipped")
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; color: #1c2430 }
table { border-collapse: collapse; width: 100% }
td, th { padding: .35rem .7rem; text-align: left; vertical-align: top }
th { color: #5a6675; font-weight: 500 } tr { border-bottom: 1px solid #dde2e8 }
.passed { color: #1b7f3b } .failed { color: #b3261e } .skipped { color: #8a6d1a }
pre { white-space: pre-wrap; font-size: 12px; margin: .3rem 0 0 } .seconds { text-align: right }
"""


@dataclass(frozen=True)
class BenchTestResult:
    """One test: `outcome` is passed, failed or skipped; `reason` is empty if it passed."""

    file: str
    name: str
    outcome: str
    seconds: float
    reason: str

    @property
    def sentence(self) -> str:
        """The test's name as a sentence."""
        return self.name.removeprefix("test_").replace("_", " ")


def parse_junit_results(junit: Path) -> list[BenchTestResult]:
    """Parse the tests of a JUnit file, in order."""
    return [_parse_test_case(case) for case in ElementTree.parse(junit).getroot().iter("testcase")]


def write_report_page(
    results: list[BenchTestResult], bench: str, seconds: float, page: Path
) -> Path:
    """Write the report page; its folder is created if missing."""
    page.parent.mkdir(parents=True, exist_ok=True)
    rows = "".join(
        f"<tr><td class='{one.outcome}'>{one.outcome}<td>{html.escape(one.sentence)}{_format_reason(one)}"
        f"<td>{html.escape(one.file)}<td class='seconds'>{one.seconds:.1f} s</tr>"
        for one in results
    )
    page.write_text(
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<title>Bench {html.escape(bench)}</title><style>{STYLE}</style>"
        f"<h1>Bench {html.escape(bench)}</h1><p>{format_outcome_counts(results)}, in {seconds:.0f} s</p>"
        f"<table><tr><th>result<th>test<th>file<th>time</tr>{rows}</table></html>"
    )
    return page


def format_outcome_counts(results: list[BenchTestResult]) -> str:
    """Format the numbers of passed, failed and skipped tests."""
    counts = {kind: sum(one.outcome == kind for one in results) for kind in TEST_OUTCOMES}
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "no tests"


def _format_reason(result: BenchTestResult) -> str:
    return f"<pre>{html.escape(result.reason)}</pre>" if result.reason else ""


def _parse_test_case(case: ElementTree.Element) -> BenchTestResult:
    outcome, why = "passed", ""
    for kind, name in (("skipped", "skipped"), ("failure", "failed"), ("error", "failed")):
        found = case.find(kind)
        if found is not None:
            outcome = name
            why = found.get("message") or ""
            if name == "failed":
                why = f"{why}\n\n{found.text or ''}".strip()
    file = (case.get("classname") or "").replace(".", "/")
    return BenchTestResult(file, case.get("name") or "", outcome, float(case.get("time") or 0), why)
