"""What a consumer was sent of a stream before it went over to another."""

from __future__ import annotations

from labsfu.core.codecs.vp8 import Vp8PayloadDescriptor
from labsfu.core.forwarding.form import PacketForm
from labsfu.core.forwarding.inbound import InboundStream
from labsfu.core.forwarding.sequence_map import DROPPED, SequenceMap
from labsfu.core.forwarding.vp8_rewriter import Vp8Rewriter

KEPT = 4
"""Runs that a consumer keeps: who switches faster than packets are repaired has no use for what came before."""


class PastRun:
    """Gives packets of a run that is over the numbers that they have in it, sent late or sent again.

    Given: the stream; how its numbers and descriptors were rewritten at the end, which nobody else may change; what
    was added to its timestamps; the first number that has a place among the PictureIDs. Derived: its `last` number.
    """

    __slots__ = ("_begins", "_rewriter", "_sequence", "last", "offset", "stream")

    def __init__(
        self, stream: InboundStream, sequence: SequenceMap, rewriter: Vp8Rewriter | None, offset: int, begins: int
    ) -> None:
        self.stream = stream
        self.offset = offset
        self.last = sequence.highest
        self._sequence = sequence
        self._rewriter = rewriter
        self._begins = begins

    def output_of(self, number: int) -> int:
        """The output number (16 bits) of a packet that should have been sent before the run ended, or DROPPED."""
        return self._sequence.find(number)

    def number_of(self, output: int) -> int:
        """The extended number of the packet that was, or would have been, sent as `output`, or DROPPED."""
        number = self._sequence.unmap(output)
        return number if number >= self._begins and self.output_of(number) == output else DROPPED

    def rewrite(self, descriptor: Vp8PayloadDescriptor | None, form: PacketForm) -> bool:
        """Write the picture's numbers into a rendered packet; False when its frame was left out."""
        if self._rewriter is None or descriptor is None:
            return True
        return self._rewriter.rewrite(descriptor, form.packet, form.shift)
