"""How a server and its worker processes speak: messages as msgpack, each behind its length, over a stream of bytes.

Frames are made and read by the same program, so their form may change from version to version.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from types import UnionType
from typing import Any, Generic, TypeVar

import msgspec

from labsfu.errors import Malformed

M = TypeVar("M")

MAX_FRAME_BYTES = 64 << 20
"""Far beyond any real one: a length that is wrong is found before it is waited for."""

MAX_VALUE_BYTES = MAX_FRAME_BYTES - 1024
"""What travels packed inside a message, with room for the rest of it."""

_LENGTH = struct.Struct("!I")
_JSON = b"\xc1"
"""Begins what is packed as JSON: the one byte that begins nothing in msgpack."""

_msgpack = msgspec.msgpack.Encoder()
_json = msgspec.json.Encoder()


def frame(message: object) -> bytes:
    """A message as it is sent."""
    body = pack(message)
    return _LENGTH.pack(len(body)) + body


def pack(value: object) -> bytes:
    """A value as msgpack; as JSON where it has integers of more than 64 bits, which callers' `appData` may have.

    Raises:
        RecursionError: it is nested too deep.
    """
    try:
        return _msgpack.encode(value)
    except OverflowError:
        return _JSON + _json.encode(value)


class Unpacker(Generic[M]):
    """Reads what `pack` made.

    Args:
        type_: what it must be.
    """

    def __init__(self, type_: type[M] | UnionType) -> None:
        self._msgpack: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(type_)
        self._json: msgspec.json.Decoder[Any] = msgspec.json.Decoder(type_)

    def unpack(self, data: bytes | memoryview) -> M:
        """The value.

        Raises:
            Malformed: `frame-undecodable`.
            RecursionError: it is nested too deep.
        """
        try:
            found: M = self._json.decode(data[1:]) if data[:1] == _JSON else self._msgpack.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Malformed("frame-undecodable") from error
        return found


class FrameReader(Generic[M]):
    """Cuts a stream of bytes into messages.

    Args:
        unpacker: of the messages.
        limit: bytes of the longest frame.
    """

    def __init__(self, unpacker: Unpacker[M], limit: int = MAX_FRAME_BYTES) -> None:
        self._unpacker = unpacker
        self._limit = limit
        self._buffer = bytearray()

    @property
    def torn(self) -> bool:
        """Whether a frame is there in part only: at the end of the stream it was torn off."""
        return bool(self._buffer)

    def feed(self, data: bytes | bytearray) -> Iterator[M]:
        """Take in what came; gives each message that it completes.

        Raises:
            Malformed: `frame-too-long`, `frame-undecodable`; nothing that follows makes sense any more.
        """
        self._buffer += data
        begin = 0
        try:
            while (body := begin + _LENGTH.size) <= len(self._buffer):
                (length,) = _LENGTH.unpack_from(self._buffer, begin)
                if length > self._limit:
                    raise Malformed("frame-too-long")
                if body + length > len(self._buffer):
                    return
                begin = body + length
                yield self._unpacker.unpack(bytes(memoryview(self._buffer)[body:begin]))
        finally:
            del self._buffer[:begin]
