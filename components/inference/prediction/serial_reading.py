"""The serial number that a code on the part says, read beside the models and never waited for long."""

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from sightline.imaging.frame_ring import RingReader
from sightline.imaging.pixels import to_rgb
from sightline.kernel.background import lower_priority
from sightline.kernel.health import ComponentHealth
from sightline.messaging.messages import FrameRef, Part, PixelFormat
from sightline.storage.products import InspectionZone, SerialCode, SerialKind

GreyPicture = NDArray[np.uint8]
MAX_SERIAL_CHARACTERS = 128
MAX_REMEMBERED_SERIALS = 10_000
SHARE_OF_TIME_LEFT = 0.25
READER_FAULT = "serial-reader"
NO_READER = "no reader of codes (zxing-cpp) is installed"
REPEATED_FAULT = "serial-repeated"


@dataclass(frozen=True)
class SerialReading:
    """What a part's code says, or why it says nothing."""

    serial: str = ""
    problem: str = ""


class SerialReader:
    """Reads one part's code at a time, in a thread of low priority; used by the main thread."""

    def __init__(self, ring: RingReader, health: ComponentHealth) -> None:
        self._ring = ring
        self._health = health
        self._pool = ThreadPoolExecutor(1, "serial", initializer=lower_priority)
        self._reading: Future[SerialReading] | None = None
        self._start_problem = ""

    def start(self, code: SerialCode, frames: Sequence[FrameRef]) -> None:
        """Begin to read the code on a part's pictures; one that still runs is not waited for."""
        before, self._reading = self._reading, None
        self._start_problem = ""
        ref = next((ref for ref in frames if ref.camera == code.camera), None)
        if ref is None:
            self._start_problem = f"{code.camera} gave no picture of it"
        elif before is not None and not before.done() and not before.cancel():
            self._reading = before
            self._start_problem = "the code of the part before is still being read"
        else:
            self._reading = self._pool.submit(self._read, code, ref)

    def finish(self, code: SerialCode, deadline_monotonic_ns: int, now_ns: int) -> SerialReading:
        """What was read by now, or within the short wait that the product allows."""
        if self._start_problem or self._reading is None:
            return self._report(code, SerialReading(problem=self._start_problem))
        left_s = max(0.0, (deadline_monotonic_ns - now_ns) / 1e9)
        wait_s = min(code.wait_ms / 1000, left_s * SHARE_OF_TIME_LEFT)
        try:
            return self._report(code, self._reading.result(timeout=wait_s))
        except (TimeoutError, FutureTimeoutError):  # two classes until Python 3.11
            return self._report(code, SerialReading(problem="it was not read in time"))
        except ImportError:
            return self._report(code, SerialReading(problem=NO_READER))
        except Exception as error:  # noqa: BLE001 a reader may raise anything; the part goes to review
            return self._report(code, SerialReading(problem=f"{type(error).__name__}: {error}"))

    def close(self) -> None:
        """End the thread, after the code that it reads now."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _report(self, code: SerialCode, reading: SerialReading) -> SerialReading:
        if reading.problem:
            self._health.count("serials_not_read")
        if reading.problem == NO_READER:
            self._health.raise_fault(
                READER_FAULT,
                f"Cannot read the codes on {code.camera}: {reading.problem}, so no part has a serial number. "
                "Install the component Inference again; it brings the reader along.",
            )
        else:
            self._health.clear_fault(READER_FAULT)
        return reading

    def _read(self, code: SerialCode, ref: FrameRef) -> SerialReading:
        picture = self._ring.read(
            ref, partial(_cut_grey, pixel_format=ref.pixel_format, zone=code.zone)
        )
        return check_serials(decode_codes(picture, code.kind))


class SerialRegister:
    """The serials of the last parts by product; two parts with one are a warning."""

    def __init__(self, health: ComponentHealth) -> None:
        self._health = health
        self._parts: OrderedDict[tuple[str, str], Part] = OrderedDict()

    def note(self, product: str, serial: str, part: Part) -> None:
        """Note a part's serial; say so if another part of the product had it."""
        before = self._parts.get((product, serial))
        if before is not None and before != part:
            self._health.count("serials_repeated")
            self._health.raise_fault(
                REPEATED_FAULT,
                f"Parts {before.part_number} (epoch {before.epoch}) and {part.part_number} (epoch "
                f"{part.epoch}) of product {product} both have the serial number {serial}. Check "
                "whether a part came twice, or the marker printed one number twice.",
                "warning",
            )
        else:
            self._health.clear_fault(REPEATED_FAULT)
        self._parts[product, serial] = part
        self._parts.move_to_end((product, serial))
        while len(self._parts) > MAX_REMEMBERED_SERIALS:
            self._parts.popitem(last=False)


def check_serials(texts: Sequence[str]) -> SerialReading:
    """One code with a printable text is a serial; all else says why it is none."""
    found = sorted({text for text in texts if text})
    if not found:
        return SerialReading(problem="no code can be read")
    if len(found) > 1:
        return SerialReading(problem=f"{len(found)} different codes are seen; narrow its zone")
    if len(found[0]) > MAX_SERIAL_CHARACTERS:
        return SerialReading(
            problem=f"its {len(found[0])} characters are more than {MAX_SERIAL_CHARACTERS}"
        )
    if not found[0].isprintable() or found[0] != found[0].strip():
        return SerialReading(problem="it has characters that cannot be printed, or blank ends")
    return SerialReading(found[0])


def _cut_grey(
    frame: NDArray[np.uint8], pixel_format: PixelFormat, zone: InspectionZone
) -> GreyPicture:
    """The zone of a frame in grey, in memory of its own."""
    grey = np.asarray(cv2.cvtColor(to_rgb(frame, pixel_format), cv2.COLOR_RGB2GRAY), np.uint8)
    height, width = grey.shape
    rows = slice(int(zone.top * height), max(1, round(zone.bottom * height)))
    columns = slice(int(zone.left * width), max(1, round(zone.right * width)))
    zone_alone: GreyPicture = grey[rows, columns].copy()
    return zone_alone


def decode_codes(picture: GreyPicture, kind: SerialKind) -> Sequence[str]:
    """The texts of all codes of a kind in a picture."""
    import zxingcpp

    kinds = {"qr": zxingcpp.BarcodeFormat.QRCode, "datamatrix": zxingcpp.BarcodeFormat.DataMatrix}
    return [found.text for found in zxingcpp.read_barcodes(picture, formats=kinds[kind])]
