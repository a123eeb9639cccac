"""A code on the part is its identity; a part whose product wants one is never ok without it."""

import sys
import threading
from typing import Any

import cv2
import numpy as np
import pytest
import zxingcpp

from inference.prediction import serial_reading
from inference.prediction.serial_reading import (
    READER_FAULT,
    REPEATED_FAULT,
    SerialReading,
    check_serials,
)
from sightline.configuration import load_configuration
from sightline.errors import ConfigurationError
from sightline.storage.products import SerialCode
from tests.unit.inference import conftest
from tests.unit.inference.conftest import InferenceUnderTest
from tests.unit.inference.test_products_and_challenges import deploy, faults, judge

QR: dict[str, Any] = {"serial": {"camera": "cam1", "kind": "qr", "waitMs": 1000}}
CLEAN: dict[str, Any] = {"scratches": ()}


def mark(monkeypatch: pytest.MonkeyPatch, serial: str) -> None:
    """Every part from now on has a QR code beside its cap."""
    plain = conftest_frame

    def with_code(cap: bool, scratch: bool) -> np.ndarray:
        picture = plain(cap, scratch)
        code = cv2.QRCodeEncoder.create().encode(serial)
        code = cv2.copyMakeBorder(code, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=255)
        code = cv2.resize(code, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST)
        height, width = code.shape
        picture[40 : 40 + height, 180 : 180 + width] = code[:, :, None]
        return picture

    monkeypatch.setattr(conftest, "frame_with", with_code)


conftest_frame = conftest.frame_with


def test_the_code_on_a_part_is_its_serial_number_and_an_unreadable_one_is_never_ok(
    bench: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(bench, "marked", **QR)
    deploy(bench, "perhaps", serial={**QR["serial"], "required": False})
    bench.start()
    unread = judge(bench, 1, "marked", **CLEAN)
    assert (unread.verdict, unread.serial) == ("review", "")
    assert "no serial number from cam1: no code can be read" in unread.reason
    assert judge(bench, 2, "perhaps", **CLEAN).verdict == "ok"
    assert judge(bench, 3, "marked", **CLEAN, caps=()).verdict == "empty"
    assert judge(bench, 4, "marked").verdict == "defect"
    missing = judge(bench, 5, "marked", **CLEAN, cameras=("cam2", "cam3", "cam4"))
    assert (missing.verdict, "cam1 gave no picture of it" in missing.reason) == ("review", True)
    mark(monkeypatch, "SN-0006")
    read = judge(bench, 6, "marked", **CLEAN)
    assert (read.verdict, read.serial) == ("ok", "SN-0006")
    assert judge(bench, 7, **CLEAN).serial == ""  # no product asks for it


def test_two_parts_with_one_serial_number_are_said(
    bench: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(bench, "marked", **QR)
    deploy(bench, "other", **QR)
    bench.start()
    mark(monkeypatch, "SN-1")
    judge(bench, 1, "marked", **CLEAN)
    judge(bench, 2, "other", **CLEAN)  # another product numbers its own
    assert REPEATED_FAULT not in faults(bench)
    assert judge(bench, 3, "marked", **CLEAN).verdict == "ok"
    assert "Parts 1 " in faults(bench)[REPEATED_FAULT]
    assert "SN-1" in faults(bench)[REPEATED_FAULT]


def test_a_reader_that_takes_long_does_not_delay_the_verdict(
    bench: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def read_slowly(_: object, kind: str) -> list[str]:
        released.wait(30)
        return ["late"]

    monkeypatch.setattr(serial_reading, "decode_codes", read_slowly)
    deploy(bench, "marked", serial={**QR["serial"], "waitMs": 1})
    bench.start()
    told = [judge(bench, number, "marked", **CLEAN) for number in (1, 2)]
    released.set()
    assert [verdict.verdict for verdict in told] == ["review", "review"]
    assert "it was not read in time" in told[0].reason
    assert "the part before is still being read" in told[1].reason


def test_a_reader_that_fails_leaves_no_part_ok(
    bench: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object, kind: str) -> list[str]:
        raise ValueError("broken")

    monkeypatch.setattr(serial_reading, "decode_codes", fail)
    deploy(bench, "marked", **QR)
    bench.start()
    failed = judge(bench, 1, "marked", **CLEAN)
    assert (failed.verdict, "broken" in failed.reason) == ("review", True)


def test_a_reader_that_is_not_installed_leaves_no_part_ok_and_is_a_fault(
    bench: InferenceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zxingcpp", None)
    deploy(bench, "marked", **QR)
    bench.start()
    assert judge(bench, 1, "marked", **CLEAN).verdict == "review"
    assert "brings the reader along" in faults(bench)[READER_FAULT]


def test_a_datamatrix_is_read_and_a_code_of_another_kind_is_not() -> None:
    matrix = zxingcpp.create_barcode("SN-0007", zxingcpp.BarcodeFormat.DataMatrix)
    picture = cv2.copyMakeBorder(
        np.array(matrix.to_image(scale=4)), 60, 60, 200, 90, cv2.BORDER_CONSTANT, value=255
    )
    assert serial_reading.decode_codes(picture, "datamatrix") == ["SN-0007"]
    assert serial_reading.decode_codes(picture, "qr") == []


@pytest.mark.parametrize(
    ("texts", "reading"),
    [
        (["A1"], SerialReading("A1")),
        (["A1", "A1"], SerialReading("A1")),
        ([], SerialReading(problem="no code can be read")),
        (
            ["A1", "A2"],
            SerialReading(problem="2 different codes are seen; narrow its zone"),
        ),
        (["x" * 129], SerialReading(problem="its 129 characters are more than 128")),
        (
            ["A\x1d1"],
            SerialReading(problem="it has characters that cannot be printed, or blank ends"),
        ),
    ],
)
def test_only_one_printable_text_is_a_serial_number(
    texts: list[str], reading: SerialReading
) -> None:
    assert check_serials(texts) == reading


def test_an_unknown_kind_of_code_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="kind"):
        load_configuration(SerialCode, {"camera": "cam1", "kind": "barcode"})
