"""The checker sees each thing that can be wrong with a part, and shares no code with what it checks."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from hil.faults import checker
from tests.unit.faults.checked_folder import BEGAN_NS, EPOCH, SECOND_NS, CheckedStationFolder


@pytest.fixture
def station(tmp_path: Path) -> CheckedStationFolder:
    """Five parts, all as they are to be."""
    folder = CheckedStationFolder(tmp_path / "station")
    for number, verdict in enumerate(("ok", "defect", "missed", "ok", "review"), start=1):
        folder.whole(number, verdict)
    return folder


def test_the_checker_imports_nothing_but_the_standard_library() -> None:
    tree = ast.parse(Path(checker.__file__).read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
        )
    }
    assert imported <= sys.stdlib_module_names
    assert not any(
        isinstance(node, ast.Name) and node.id in ("__import__", "exec", "eval")
        for node in ast.walk(tree)
    )


def test_parts_that_are_all_accounted_for_pass(station: CheckedStationFolder) -> None:
    found = station.check()
    assert found["passed"], found["problems"]
    assert (found["triggered"], found["judged"], found["missed"], found["records"]) == (5, 4, 1, 5)


def test_a_part_without_a_record_is_lost(station: CheckedStationFolder) -> None:
    station.count(6, 6)
    station.act(6, "rejected")
    station.judge(6, "missed")
    found = station.check()
    assert (found["lost"], found["without_record"]) == (1, 1)
    assert found["examples"]["without a record"] == ["0:6"]


def test_a_part_without_a_verdict_in_the_ledger_is_lost(station: CheckedStationFolder) -> None:
    station.count(6, 6)
    station.act(6, "rejected")
    station.record(6, "defect", "rejected")
    found = station.check()
    assert (found["lost"], found["without_verdict"]) == (1, 1)
    assert not found["passed"]


def test_a_part_that_passed_without_an_ok_of_its_own_is_told(station: CheckedStationFolder) -> None:
    station.count(6, 6)
    station.act(6, "passed")
    station.judge(6, "defect")
    station.record(6, "defect", "passed")
    found = station.check()
    assert found["gate_passed_unjudged"] == 1
    assert not found["passed"]


def test_a_part_that_passed_and_is_lost_altogether_is_unjudged_too(
    station: CheckedStationFolder,
) -> None:
    station.count(6, 6)
    station.act(6, "passed")
    assert station.check()["gate_passed_unjudged"] == 1


def test_a_part_that_passed_in_a_bypass_is_no_wrong(station: CheckedStationFolder) -> None:
    station.count(6, 6)
    station.act(6, "passed")
    station.judge(6, "defect")
    station.record(6, "defect", "passed", mode="bypass")
    assert station.check()["passed"]


def test_a_gate_that_never_opens_is_told(tmp_path: Path) -> None:
    station = CheckedStationFolder(tmp_path / "station")
    for number in range(1, 7):
        station.count(number, number)
        station.act(number, "rejected")
        station.judge(number)
        station.record(number, gate="rejected")
    assert station.check()["problems"] == ["the gate passed none of the 6 ok parts"]
    station.whole(7)
    assert station.check()["passed"]


def test_a_record_that_contradicts_the_gate_is_wrong(station: CheckedStationFolder) -> None:
    station.count(6, 6)
    station.act(6, "passed")
    station.judge(6)
    station.record(6, gate="rejected")
    found = station.check()
    assert (found["gate_wrong"], found["passed"]) == (1, False)


def test_an_outcome_that_came_late_is_right_once_it_is_corrected(
    station: CheckedStationFolder,
) -> None:
    for number in (6, 7, 8):
        station.count(number, number)
        station.act(number, "passed")
        station.judge(number)
    station.record(6, gate="unconfirmed")
    station.record(7, gate="unconfirmed", corrected="passed")
    station.record(8, gate="unconfirmed")
    station.correct(8, "passed")
    found = station.check()
    assert (found["passed"], found["unconfirmed"]) == (True, 1)


def test_a_correction_that_is_wrong_is_told(station: CheckedStationFolder) -> None:
    station.count(6, 6)
    station.act(6, "passed")
    station.judge(6)
    station.record(6, gate="unconfirmed")
    station.correct(6, "rejected")
    assert station.check()["gate_wrong"] == 1


def test_a_part_of_which_the_gate_told_nothing_has_no_outcome_in_its_record(
    station: CheckedStationFolder,
) -> None:
    station.count(6, 6)
    station.judge(6)
    station.record(6, gate="rejected")
    assert station.check()["gate_wrong"] == 1


def test_one_part_recorded_under_two_names_is_duplicated(station: CheckedStationFolder) -> None:
    station.judge(5, "missed", epoch=EPOCH + 3)
    station.record(5, "missed", "rejected", epoch=EPOCH + 3)
    found = station.check()
    assert (found["duplicated"], found["passed"]) == (1, False)


def test_a_record_in_the_outbox_and_in_the_cloud_is_one(station: CheckedStationFolder) -> None:
    station.record(5, "review", "rejected", place="outbox")
    assert station.check()["passed"]


def test_one_record_sent_with_two_verdicts_is_duplicated(station: CheckedStationFolder) -> None:
    station.record(5, "missed", "rejected", place="outbox")
    assert station.check()["duplicated"] == 1


def test_a_record_that_is_sent_again_with_other_content_is_told(
    station: CheckedStationFolder,
) -> None:
    wire = station.folder / "wire.jsonl"
    first = {"recordId": "station-1", "verdict": "ok", "machine": None}
    correction = {"recordId": "station-1", "correctionId": "station-1/gate", "gate": "passed"}
    wire.write_text("".join(json.dumps(sent) + "\n" for sent in (first, first, correction)))
    found = station.check()
    assert (found["sent_again"], found["passed"]) == (1, True)
    with wire.open("a") as more:
        more.write(json.dumps({**first, "machine": "known"}) + "\n")
    found = station.check()
    assert (found["changed_on_the_wire"], found["passed"]) == (1, False)
    assert found["examples"]["sent with other content"] == ["station-1 (machine)"]


def test_a_record_that_did_not_reach_the_cloud_is_told(station: CheckedStationFolder) -> None:
    station.count(6, 6)
    station.act(6, "passed")
    station.judge(6)
    station.record(6, place="outbox")
    found = station.check()
    assert (found["lost"], found["undelivered"], found["passed"]) == (0, 1, False)


def test_a_record_that_the_cloud_refused_is_no_record_of_its_part(
    station: CheckedStationFolder,
) -> None:
    station.count(6, 6)
    station.act(6, "passed")
    station.judge(6)
    station._sql("cloud", "CREATE TABLE refused (payload BLOB)")
    body = {"recordId": "x", "epoch": EPOCH, "partNumber": 6, "verdict": "ok", "gate": "passed"}
    station._sql("cloud", "INSERT INTO refused VALUES (?)", json.dumps(body).encode())
    found = station.check()
    assert (found["lost"], found["set_aside"]) == (1, 1)


@pytest.mark.parametrize("kind", ["refused", "conflict"])
def test_a_record_of_whose_refusal_only_the_beginning_is_kept_is_told(
    station: CheckedStationFolder, kind: str
) -> None:
    body = json.dumps({"cam1": "boxes", "recordId": f"station-{EPOCH}-5", "machine": "x" * 2000})
    station._sql("cloud", "CREATE TABLE refused (topic, reason, payload BLOB, kind)")
    values = ("sightline/station/records", "why", body.encode()[:1024], kind)
    station._sql("cloud", "INSERT INTO refused VALUES (?, ?, ?, ?)", *values)
    found = station.check()
    assert (found["passed"], found["set_aside"]) == (False, 1)


def test_a_record_that_a_store_has_twice_is_duplicated(station: CheckedStationFolder) -> None:
    station._sql(
        "cloud", "CREATE TABLE records_again AS SELECT * FROM records WHERE gate = 'passed'"
    )
    found = station.check()
    assert (found["passed"], found["duplicated"], found["lost"]) == (False, 2, 0)


def test_a_gap_record_counts_for_each_of_its_numbers(station: CheckedStationFolder) -> None:
    for number in range(6, 2006):
        station.write_event(
            event="part_counted", number=number, counted_utc_ns=BEGAN_NS + number * SECOND_NS
        )
        station.act(number, "rejected")
    station.judge(2005, "missed", gap_from=6)
    station.gap(6, 2005)
    found = station.check()
    assert found["passed"], found["problems"]
    assert (found["missed"], found["records"], found["gap_records"]) == (2001, 2005, 1)


def test_a_part_in_a_gap_record_and_in_a_record_of_its_own_is_duplicated(
    station: CheckedStationFolder,
) -> None:
    station.gap(5, 5)
    assert station.check()["duplicated"] == 1


def test_a_record_of_a_part_that_was_never_counted_is_told(station: CheckedStationFolder) -> None:
    station.judge(9)
    station.record(9, gate="unconfirmed")
    assert station.check()["never_counted"] == 1


def test_a_plc_that_counts_anew_begins_another_count(station: CheckedStationFolder) -> None:
    later = EPOCH + 20
    for number in (1, 2, 3):
        station.count(number, 20 + number)
        station.act(number, "passed" if number > 1 else "rejected")
    for number in (2, 3):
        station.judge(number, at_s=20 + number, epoch=later)
        station.record(number, at_s=20 + number, epoch=later)
    found = station.check()
    assert found["counts_of_the_plc"] == 2
    assert found["examples"]["without a record"] == ["1:1"]
    station.judge(1, "missed", at_s=23, epoch=later)
    station.record(1, "missed", "rejected", at_s=23, epoch=later)
    assert station.check()["passed"]


def test_an_outcome_of_the_count_before_is_wrong(station: CheckedStationFolder) -> None:
    station.count(1, 21)
    station.act(1, "passed")
    station.judge(1, at_s=21, epoch=EPOCH + 20)
    station.record(1, gate="rejected", at_s=21, epoch=EPOCH + 20)
    assert station.check()["gate_wrong"] == 1


def test_what_a_plc_counted_as_it_died_could_be_told_to_nobody(
    station: CheckedStationFolder,
) -> None:
    station.count(6, 6)
    station.write_event(event="plc_killed", utc_ns=BEGAN_NS + 6 * SECOND_NS + 50_000_000)
    station.record(7, "missed", "unconfirmed")
    assert station.check()["passed"]


def test_what_a_plc_without_power_counted_before_it_forgot_could_be_told_to_nobody(
    station: CheckedStationFolder,
) -> None:
    station.write_event(event="plc_power_lost", utc_ns=BEGAN_NS + 5 * SECOND_NS + 500_000_000)
    station.count(6, 6)
    assert station.check()["lost"] == 1
    station.whole(1, at_s=8, epoch=EPOCH + 7)
    assert station.check()["passed"]


def test_a_part_judged_a_second_time_after_its_ledger_was_lost_is_told(
    station: CheckedStationFolder,
) -> None:
    before = station.folder / "before"
    before.mkdir()
    station.database("ledger").rename(before / "ledger-00.sqlite")
    station._sql("ledger", "CREATE TABLE verdicts (epoch, part_number, message BLOB, settled)")
    assert station.check()["passed"]
    station.judge(1, "missed")
    assert station.check()["duplicated"] == 1


def test_a_verdict_that_the_run_damaged_may_be_missed_in_its_place(
    station: CheckedStationFolder,
) -> None:
    before = station.folder / "before"
    before.mkdir()
    (before / "ledger-00.sqlite").write_bytes(station.database("ledger").read_bytes())
    station._sql("ledger", "DELETE FROM verdicts WHERE part_number = 4")
    station._sql("cloud", "DELETE FROM records WHERE record_id LIKE '%-4'")
    station.judge(4, "missed")
    station.record(4, "missed", "passed")
    assert not station.check()["passed"]
    station.expect = {"damaged_parts": [[EPOCH, 4]]}
    assert station.check()["passed"]


def test_a_damaged_database_is_named_and_what_it_held_is_lost(
    station: CheckedStationFolder,
) -> None:
    station.database("ledger").write_bytes(b"\xff" * 8192)
    found = station.check()
    assert found["lost"] == 5
    assert "ledger.sqlite" in found["unreadable_files"][0]


def test_parts_that_must_be_judged_after_a_fault_are_counted_against_a_bound(
    station: CheckedStationFolder,
) -> None:
    window = {"why": "after a stall", "from_utc_ns": BEGAN_NS, "to_utc_ns": BEGAN_NS * 2}
    station.expect = {"recovery": [{**window, "min_allowed": 1}]}
    assert station.check()["recovery"][0] == {
        "why": "after a stall",
        "parts": 5,
        "missed": 1,
        "allowed": 1,
        "missed_share_before": 0.0,
    }
    station.expect = {"recovery": [{**window, "from_number": 3, "to_number": 4}]}
    assert not station.check()["passed"]
    station.expect = {"recovery": [{**window, "from_number": 90, "to_number": 99}]}
    assert not station.check()["passed"]


def test_the_longest_outage_is_between_the_first_missed_part_and_the_next_judged_one(
    station: CheckedStationFolder,
) -> None:
    for number in (6, 7, 8, 9):
        station.whole(number, "missed")
    assert station.check()["longest_outage_s"] == 3.0
    station.whole(10, "ok")
    assert station.check()["longest_outage_s"] == 4.0


def test_by_hand_it_prints_a_table_and_ends_with_1_when_something_is_wrong(
    station: CheckedStationFolder, tmp_path: Path
) -> None:
    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-I", checker.__file__, "--station", str(station.folder)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    sound = run()
    assert (sound.returncode, "Every part is accounted for." in sound.stdout) == (0, True)
    station.count(6, 6)
    broken = run()
    assert (broken.returncode, "without a record: 0:6" in broken.stdout) == (1, True)


def test_a_folder_without_a_run_ends_with_2(tmp_path: Path) -> None:
    assert checker.main(["--station", str(tmp_path)]) == 2
