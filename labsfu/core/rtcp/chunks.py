"""Packet status chunks of transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 3.1.1 to 3.1.4).

A symbol says what happened to one packet. A chunk is 16 bits: a run of one symbol, a vector of 14 one-bit symbols
(received with a small delta or not), or a vector of seven two-bit symbols.
"""

from __future__ import annotations

from typing import Final

NOT_RECEIVED: Final = 0
SMALL_DELTA: Final = 1
LARGE_DELTA: Final = 2  # or a negative one
RESERVED: Final = 3

_MAX_RUN = 0x1FFF
_ONE_BIT_COUNT = 14
_TWO_BIT_COUNT = 7


def decode_chunk(chunk: int) -> bytes:
    """The symbols of one 16-bit chunk, one a byte; a vector at the end of a feedback may hold more than are due."""
    if not chunk & 0x8000:
        return bytes((chunk >> 13,)) * (chunk & _MAX_RUN)
    if not chunk & 0x4000:
        return bytes(chunk >> shift & 1 for shift in range(13, -1, -1))
    return bytes(chunk >> shift & 3 for shift in range(12, -1, -2))


def encode_chunks(symbols: bytes) -> bytes:
    """Chunks for `symbols` (one a byte), each covering as many as it can; the last vector is filled up with zeros."""
    result = bytearray()
    offset = 0
    while offset < len(symbols):
        chunk, covered = _best_chunk(symbols, offset)
        result += chunk.to_bytes(2, "big")
        offset += covered
    return bytes(result)


def _best_chunk(symbols: bytes, offset: int) -> tuple[int, int]:
    """`(chunk, symbols covered)` at `offset`."""
    symbol = symbols[offset]
    run = _run_length(symbols, offset)
    window = symbols[offset : offset + _ONE_BIT_COUNT]
    one_bit = max(window) <= SMALL_DELTA
    vector = min(len(window), _ONE_BIT_COUNT if one_bit else _TWO_BIT_COUNT)
    if run >= vector:
        return symbol << 13 | run, run
    chunk = 0x8000 if one_bit else 0xC000
    width, top = (1, 13) if one_bit else (2, 12)
    for index in range(vector):
        chunk |= window[index] << top - width * index
    return chunk, vector


def _run_length(symbols: bytes, offset: int) -> int:
    symbol = symbols[offset]
    end = min(len(symbols), offset + _MAX_RUN)
    position = offset + 1
    while position < end and symbols[position] == symbol:
        position += 1
    return position - offset
