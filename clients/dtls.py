"""DTLS-SRTP of a client, with the packets laid open: taps see them all, raw ends take and give them past aiortc.

aiortc parses each packet into objects and has no way in or out beside its own senders and receivers. Here decrypted
packets go first to the taps, then to whoever took their SSRC, and only then aiortc's own way. This file touches
aiortc's private names, as `transport.py` and `streams.py` do.
"""

# ruff: noqa: SLF001 - aiortc's private names are what this file is for

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine

from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceTransport
from aiortc.rtp import is_rtcp

from clients.network import Direction

Tap = Callable[[Direction, bytes, float], None]
"""Told of each RTP and each compound RTCP packet: which way, its decrypted bytes, monotonic seconds."""
RawHandler = Callable[[bytes, float], None]
"""Given a decrypted packet and when it came, monotonic seconds."""

_SMALLEST_RTP = 12


class LabDtlsTransport(RTCDtlsTransport):
    """aiortc's DTLS transport, laid open. What a tap or a handler raises ends the transport, as errors of aiortc do.

    Args:
        transport: the ICE transport below.
        certificates: exactly one.

    Attributes:
        taps: told of every packet, both ways; of ours when they are handed to ICE, before any impairment.
        raw_rtp: who takes the RTP of an SSRC; aiortc does not see those packets.
        raw_rtcp: told of every compound RTCP packet that comes, beside aiortc.
    """

    def __init__(self, transport: RTCIceTransport, certificates: list[RTCCertificate]) -> None:
        super().__init__(transport, certificates)
        self.taps: list[Tap] = []
        self.raw_rtp: dict[int, RawHandler] = {}
        self.raw_rtcp: list[RawHandler] = []

    def send_raw(self, data: bytes) -> None:
        """Encrypt and send an RTP or compound RTCP packet, at once; aiortc's own counts leave it out.

        Raises:
            ConnectionError: the transport is not up, or not any more.
            pylibsrtp.Error: the packet cannot be encrypted: too short, or an index that SRTP refuses.
        """
        if self.state != "connected":
            raise ConnectionError("cannot send, the DTLS transport is not connected")
        protected = self._tx_srtp.protect_rtcp(data) if is_rtcp(data) else self._tx_srtp.protect(data)
        at = time.monotonic()
        _run_at_once(self.transport._send(protected))
        if self.taps:
            self._tell_taps(Direction.UP, data, at)

    async def _send_rtp(self, data: bytes) -> None:
        # before: the system call lets other threads run, and they may take 5 ms each to give the interpreter back
        at = time.monotonic()
        await super()._send_rtp(data)
        if self.taps:
            self._tell_taps(Direction.UP, data, at)

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        now = time.monotonic()
        if self.taps:
            self._tell_taps(Direction.DOWN, data, now)
        if self.raw_rtp and len(data) >= _SMALLEST_RTP:
            handler = self.raw_rtp.get(int.from_bytes(data[8:12], "big"))
            if handler is not None:
                handler(data, now)
                return
        await super()._handle_rtp_data(data, arrival_time_ms)

    async def _handle_rtcp_data(self, data: bytes) -> None:
        now = time.monotonic()
        if self.taps:
            self._tell_taps(Direction.DOWN, data, now)
        for handler in tuple(self.raw_rtcp):
            handler(data, now)
        if self._rtp_router.senders or self._rtp_router.receivers:
            await super()._handle_rtcp_data(data)

    def _tell_taps(self, direction: Direction, data: bytes, at: float) -> None:
        for tap in tuple(self.taps):
            tap(direction, data, at)


def _run_at_once(sending: Coroutine[object, object, None]) -> None:
    """Run what is `async` by name only: neither aioice nor asyncio waits for a UDP socket."""
    try:
        sending.send(None)
    except StopIteration:
        return
    sending.close()
    raise RuntimeError("sending over UDP waited")
