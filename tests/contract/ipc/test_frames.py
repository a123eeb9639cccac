"""The frames of real connections: read and written back byte for byte, or refused."""

import pytest

from hil.nucleus.ipc.eventstream import decode_event_frame, encode_event_frame
from hil.nucleus.nucleus_errors import ProtocolError
from tests.contract.ipc.transcript import MALFORMED, NAMES, is_well_formed, load_lines


@pytest.mark.parametrize("name", NAMES)
def test_each_well_formed_frame_is_written_back_to_the_same_bytes(name: str) -> None:
    frames = [line.frame for line in load_lines(name) if line.frame and is_well_formed(line.frame)]
    assert [encode_event_frame(decode_event_frame(frame)) for frame in frames] == frames


@pytest.mark.parametrize("name", NAMES)
def test_malformed_frames_are_refused_and_no_others(name: str) -> None:
    refused = [line for line in load_lines(name) if line.frame and not is_well_formed(line.frame)]
    assert len(refused) == (1 if name in MALFORMED else 0)
    assert all(line.sender == "client" for line in refused)


@pytest.mark.parametrize("position", [0, 5, 9, 20, 60, -1])
def test_a_flipped_bit_is_refused(position: int) -> None:
    frame = bytearray(load_lines("03-publish-to-topic")[2].frame or b"")
    frame[position] ^= 1
    with pytest.raises(ProtocolError):
        decode_event_frame(bytes(frame))
