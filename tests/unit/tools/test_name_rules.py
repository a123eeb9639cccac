"""Names have two words, serve one thing, and limits are MAX_ and MIN_; each limit bites."""

from tools.suite_rules.name_rules import collect_names, find_unclear_names
from tools.suite_rules.source_files import SourceFile


def source(text: str, path: str = "cloud/example.py") -> SourceFile:
    return SourceFile(path, text)


def classes(*names: str) -> str:
    return "\n".join(f"class {name}: ..." for name in names)


def test_the_figures_count_words_and_places() -> None:
    figures = collect_names(
        [
            source(classes("Ledger", "EvidenceUploader", "_Pair", "OPCServer")),
            source(classes("EvidenceUploader"), "hil/other.py"),
            source(classes("Left", "Out"), "tests/unit/test_x.py"),
        ]
    )
    assert figures.class_count == 5
    assert [line.split(": ")[1] for line in figures.one_word_classes] == ["Ledger", "_Pair"]
    assert len(figures.shared_classes) == 2


def test_a_superlative_constant_is_refused_wherever_it_stands() -> None:
    text = "LONGEST_WAIT_S = 1\nclass BeltLimits:\n    _LEAST, GREATEST_SIZE = 1, 2\n"
    findings = find_unclear_names([source(text)])
    assert len(findings) == 2
    assert all("MAX_ or MIN_" in line for line in findings)


def test_too_many_one_word_classes_are_refused_by_name() -> None:
    many = classes(*(f"Two{number}Words" for number in range(8)))
    assert find_unclear_names([source(f"{many}\n{classes('One', 'Other')}")]) == []
    findings = find_unclear_names([source(f"{many}\n{classes('One', 'Other', 'Third')}")])
    assert [line.split(": ")[1] for line in findings] == ["One", "Other", "Third"]


def test_too_many_classes_of_the_same_name_are_refused() -> None:
    files = [source(classes("TwoWords"), f"cloud/file{number}.py") for number in range(16)]
    assert find_unclear_names(files[:15]) == []
    assert len(find_unclear_names(files)) == 16


def test_too_many_functions_that_end_in_of_are_refused() -> None:
    text = "\n".join(f"def x{number}_of(): ..." for number in range(31))
    assert len(find_unclear_names([source(text)])) == 31
