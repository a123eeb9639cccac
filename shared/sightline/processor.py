"""What this machine's processor can do, as the kernel tells it; nothing where it tells nothing."""

from functools import cache
from pathlib import Path

_TOLD = Path("/proc/cpuinfo")
_DOT_PRODUCTS_OF_8_BITS = frozenset({"avx512_vnni", "avx_vnni"})
_PRODUCTS_OF_BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16"})


def multiplies_8_bit_numbers() -> bool:
    """Whether models in 8 bits are the fastest here and right: x86-64 with VNNI, where it was measured."""
    return bool(_flags() & _DOT_PRODUCTS_OF_8_BITS)


def multiplies_bfloat16() -> bool:
    """Whether bfloat16 is faster than fp32 here."""
    return bool(_flags() & _PRODUCTS_OF_BFLOAT16)


@cache
def _flags() -> frozenset[str]:
    text = _TOLD.read_text(encoding="utf-8") if _TOLD.is_file() else ""
    return frozenset(text.split())
