"""A consumer into a pipe: one encoding of a producer on its way to another router, beside those of all others."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from labsfu.core.forwarding.consumer import Consumer
from labsfu.core.forwarding.form import PacketForm
from labsfu.core.sequence import distance32
from labsfu.wire.rtp import RtpParameters

STEP = 1 / 1000
"""Seconds by which timestamps go on at least, after a stream began anew."""


class PipeConsumer(Consumer):
    """Sends one of the producer's streams as it is: payload and timestamps stay, so that layers can be told there.

    Given: as `Consumer`, with the SSRC of the first of the parameters' encodings; which `encoding` it is; the part that
    stands for all of them, has the parameters of all and is known by their id (`head`; None for that one itself).
    When the stream begins anew, with numbers and timestamps of its own, timestamps go on by the time that has passed:
    for the other router it is one stream, and its sender reports hold.
    """

    __slots__ = ("_clock_rates", "_last_at", "_last_timestamp", "_offset", "_parts", "_realigns", "encoding")

    def __init__(
        self,
        *arguments: Any,  # noqa: ANN401 - Consumer's own, handed on
        encoding: int,
        head: PipeConsumer | None,
        **options: Any,  # noqa: ANN401 - the same
    ) -> None:
        self.encoding = encoding
        self._parts: tuple[PipeConsumer, ...] = (self,)
        self._offset = 0
        self._last_timestamp: int | None = None
        self._last_at = 0.0
        self._realigns = False
        super().__init__(*arguments, **options)
        self._clock_rates = {codec.payload_type: codec.clock_rate for codec in self.rtp_parameters.codecs}
        if head is not None:
            head._parts += (self,)  # noqa: SLF001 - of our own class

    @property
    def parts(self) -> tuple[Consumer, ...]:
        """All that are known by this id, in the order of the encodings; of the head alone."""
        return self._parts

    @property
    def piped(self) -> bool:
        """Whether it goes into a pipe."""
        return True

    @property
    def timestamp_offset(self) -> int:
        """What is added to the incoming stream's RTP timestamps."""
        return self._offset

    def begin_anew(self) -> None:
        """As `Consumer.begin_anew`: timestamps may have leapt too."""
        self._realigns = self._last_timestamp is not None
        super().begin_anew()

    def relay(self, form: PacketForm, number: int, timestamp: int, key_frame: bool) -> bool:
        """As `Consumer.relay`."""
        if self._realigns and (key_frame or not self._awaits_key_frame):
            self._realign(form, timestamp)
        shifted = timestamp + self._offset & 0xFFFFFFFF
        begins = not self._sequence.synced
        if not super().relay(form, number, shifted, key_frame):
            return False
        last = self._last_timestamp
        if begins or last is None or distance32(shifted, last) > 0:
            self._last_timestamp, self._last_at = shifted, form.now
        return True

    def resend(self, form: PacketForm, output: int, timestamp: int) -> None:
        """As `Consumer.resend`."""
        super().resend(form, output, timestamp + self._offset & 0xFFFFFFFF)

    def _realign(self, form: PacketForm, timestamp: int) -> None:
        """Let `timestamp` follow on the last one, by as much time as passed since."""
        self._realigns = False
        if self._last_timestamp is None:
            return
        passed = max(STEP, form.now - self._last_at)
        expected = self._last_timestamp + round(passed * self._clock_rates[form.payload_type])
        self._offset = expected - timestamp & 0xFFFFFFFF


def part_parameters(parameters: RtpParameters, encoding: int) -> RtpParameters:
    """Of all encodings, the one."""
    return replace(parameters, encodings=(parameters.encodings[encoding],))
