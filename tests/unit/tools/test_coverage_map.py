"""Components without budget or benchmark, and streams that their code does not know, are caught."""

from dataclasses import replace

from sightline.messaging.topics import (
    COMMAND_ACCEPTED,
    COMPONENTS,
    EQUIPMENT,
    GATE_ACTED,
    PUBLISHER,
)
from tools.suite_rules import (
    coverage_map,
)
from tools.suite_rules.source_files import SourceFile


def test_a_component_without_budget_or_bench_is_caught() -> None:
    budgets = "BUDGETS: dict[str, int] = {CAPTURE: 1, INFERENCE: 2}\n"
    found = coverage_map.find_components_without_budget(budgets)
    assert [line.rsplit(".", 1)[-1] for line in found] == ["Equipment", "Telemetry", "Publisher"]
    assert len(coverage_map.find_components_without_budget("")) == len(COMPONENTS)
    sources = {"tests/benchmarks/bench_x.py": "def test_x(benchmark: object) -> None: ...\n"}
    there, gone = "tests/benchmarks/bench_x.py:test_x", "tests/benchmarks/bench_x.py:test_y"
    assert coverage_map.find_components_without_benchmark(sources, ["a"], {"a": there}) == []
    assert (
        "is not there"
        in coverage_map.find_components_without_benchmark(sources, ["a"], {"a": gone})[0]
    )
    assert (
        "no bench entry for b"
        in coverage_map.find_components_without_benchmark(sources, ["b"], {})[0]
    )


def test_a_stream_whose_sender_or_reader_does_not_know_it_is_caught() -> None:
    sends = SourceFile("components/equipment/gate_verdicts.py", "bus.publish(GATE_ACTED, message)")
    reads = SourceFile("components/publisher/part_joiner.py", "isinstance(message, GateActed)")
    elsewhere = SourceFile("components/capture/loop.py", "GATE_ACTED, GateActed")
    catalogue = [GATE_ACTED]
    assert coverage_map.find_silent_streams([sends, reads], catalogue) == []
    assert coverage_map.find_silent_streams([sends, elsewhere], catalogue) == [
        "stream GateActed: com.sightline.Publisher reads it by the catalogue, "
        "but its code never names GateActed"
    ]
    assert (
        "Equipment sends it" in coverage_map.find_silent_streams([reads, elsewhere], catalogue)[0]
    )


def test_a_component_that_marks_a_method_for_a_command_reads_accepted_commands() -> None:
    publisher = SourceFile("components/publisher/commands.py", "publish(COMMAND_ACCEPTED, command)")
    marks = '@command("gate_dry_run", DryRunArguments)\ndef start_dry_run(): ...'
    others = "@on(PartJudged)\ndef part_judged(): ..."
    path = "components/equipment/component.py"
    row = replace(COMMAND_ACCEPTED, senders=(PUBLISHER,), readers=(EQUIPMENT,))
    assert coverage_map.find_silent_streams([publisher, SourceFile(path, marks)], [row]) == []
    (line,) = coverage_map.find_silent_streams([publisher, SourceFile(path, others)], [row])
    assert "never names CommandAccepted" in line
