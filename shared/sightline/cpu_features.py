"""What this machine's processor can do, as the kernel tells it; nothing where it tells nothing."""

from functools import cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_INT8_FLAGS = frozenset({"avx512_vnni", "avx_vnni"})
_BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


def has_fast_int8() -> bool:
    """Whether models in 8 bits are the fastest here and right: x86-64 with VNNI, where it was measured."""
    return bool(_cpu_flags() & _INT8_FLAGS)


def has_fast_bfloat16() -> bool:
    """Whether bfloat16 is faster than fp32 here."""
    return bool(_cpu_flags() & _BFLOAT16_FLAGS)


@cache
def _cpu_flags() -> frozenset[str]:
    text = _CPUINFO.read_text(encoding="utf-8") if _CPUINFO.is_file() else ""
    return frozenset(text.split())
