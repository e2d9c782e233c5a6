"""One run of PictureID and TL0PICIDX towards a consumer of layered VP8 (RFC 7741 4.2).

Whatever stream is sent and whichever temporal layers are left out, the consumer sees numbers that follow one another.
A number that was lost before us stays a gap, for the receiver must learn of it.

Frames are numbered from 0 at each switch. `SequenceMap` closes up those that are left out. T0 is never left out, so
that within one stream TL0PICIDX moves by a constant. What a frame's packets are answered follows from the frame's
number and TID: late ones need no memory but of when the temporal layer changed.
"""

from __future__ import annotations

from bisect import bisect_right
from copy import copy
from operator import itemgetter

from labsfu.core.codecs.vp8 import Vp8PayloadDescriptor
from labsfu.core.forwarding.sequence_map import DROPPED, HISTORY, SequenceMap

MAX_LATE = 128
"""Frames that a packet may come late: two seconds at 60 a second. PictureIDs of 7 bits can tell 64 only."""

_NONE = -2
"""No packet has this PictureID, not even one without."""

_first = itemgetter(0)


class Vp8Rewriter:
    """Filters temporal layers for one consumer and writes its PictureIDs and TL0PICIDXs.

    Once for each packet of the stream that is sent: `switch` if it is the first of a stream, `admits`, and `rewrite`
    if it is admitted. To send a packet again: `rewrite` only. A stream is filtered if its packets have PictureID,
    TL0PICIDX and TID; what is absent is not written.

    PictureIDs keep the length in which they came (7 or 15 bits), so that packets do not grow.

    Attributes:
        target_temporal: the highest temporal layer that shall be sent; to be set at any time.
        temporal: the highest that is sent now. It goes down with the next frame. It goes up to the target with a key
            frame, and else one layer at a time with a frame of the next layer that depends on T0 only (Y).
        filters: whether the packets of the present stream say of which temporal layer they are.
        runs: how often numbers began, with another stream or anew in the same one.
    """

    __slots__ = (
        "_begun",
        "_changes",
        "_long",
        "_newest",
        "_number",
        "_output",
        "_pictures",
        "_tl0_move",
        "_tl0_sent",
        "filters",
        "runs",
        "target_temporal",
        "temporal",
    )

    def __init__(self, target_temporal: int, *, first_picture_id: int = 0, first_tl0_picture_index: int = 0) -> None:
        self.target_temporal = target_temporal
        self.temporal = target_temporal
        self._begun = False
        self.filters = False
        self.runs = 0
        self._pictures = SequenceMap(first_picture_id)
        # When `temporal` changed: (number of the first frame, layer), in this order, since the switch.
        self._changes: list[tuple[int, int]] = [(0, target_temporal)]
        # The newest frame: PictureID as it came, or _NONE in a stream without; whether that had 15 bits; its number;
        # PictureID as it goes out, DROPPED if it is left out.
        self._newest = _NONE
        self._long = False
        self._number = 0
        self._output = DROPPED
        # TL0PICIDX: the newest that was sent, and what is added to those that come.
        self._tl0_sent = first_tl0_picture_index - 1
        self._tl0_move = 0

    def switch(self, descriptor: Vp8PayloadDescriptor) -> None:
        """Begin a stream with the key frame that `descriptor` starts; its numbers follow on those sent so far."""
        self._begun = True
        self.filters = descriptor.tl0_picture_index >= 0 and descriptor.temporal_id >= 0 and descriptor.picture_id >= 0
        self.runs += 1
        self.temporal = self.target_temporal
        self._changes = [(0, self.temporal)]
        tl0 = descriptor.tl0_picture_index
        if tl0 >= 0:
            self._tl0_sent += 1
            self._tl0_move = self._tl0_sent - tl0
        if descriptor.picture_id < 0:
            self._newest = _NONE
            return
        self._number = 0
        self._newest = descriptor.picture_id
        self._long = descriptor.long_picture_id
        self._pictures.sync(0)
        self._output = self._pictures.map(0)

    def admits(self, descriptor: Vp8PayloadDescriptor) -> bool:
        """Whether the packet is to be sent. All packets of a frame are answered the same.

        False for what is of a layer that is left out, from before the switch, or more than `MAX_LATE` frames late;
        but a key frame that late is of a sender that began its numbers anew, and is switched to.
        """
        picture_id = descriptor.picture_id
        newest = self._newest
        if picture_id == newest:
            return self._output >= 0
        if picture_id < 0 or newest < 0:
            return self._admits_unnumbered(descriptor)
        half = 0x4000 if descriptor.long_picture_id and self._long else 0x40
        ahead = ((picture_id - newest + half) & (2 * half - 1)) - half
        if ahead <= 0:
            return self._admits_late(descriptor, ahead)
        self._number = number = self._number + ahead
        self._newest = picture_id
        self._long = descriptor.long_picture_id
        if self.temporal != self.target_temporal:
            self._change_temporal(descriptor, number)
        tl0 = descriptor.tl0_picture_index
        if tl0 >= 0:
            if descriptor.temporal_id > self.temporal:
                self._pictures.drop(number)
                self._output = DROPPED
                return False
            self._tl0_sent = tl0 + self._tl0_move
        self._output = self._pictures.map(number)
        return True

    def rewrite(self, descriptor: Vp8PayloadDescriptor, packet: bytearray, shift: int) -> bool:
        """Write the consumer's numbers into a packet that was admitted, now or before; each time the same.

        What is of a stream from before the last `switch` must not be given: PictureIDs do not tell one stream from
        another.

        Args:
            descriptor: what the packet says.
            packet: where to write.
            shift: how many bytes further back the payload lies in `packet` than where `descriptor` was read.

        Returns:
            False, and nothing is written, if the frame was left out, is from before the switch, or forgotten:
            `HISTORY` frames old, with PictureIDs of 7 bits 128.
        """
        output = self._output if descriptor.picture_id == self._newest else self._find(descriptor)
        if output < 0:
            return False
        at = descriptor.picture_id_offset
        if at:
            at += shift
            if descriptor.long_picture_id:
                packet[at] = 0x80 | output >> 8 & 0x7F
                packet[at + 1] = output & 0xFF
            else:
                packet[at] = output & 0x7F
        at = descriptor.tl0_picture_index_offset
        if at:
            packet[at + shift] = descriptor.tl0_picture_index + self._tl0_move & 0xFF
        return True

    def copy(self) -> Vp8Rewriter:
        """One that goes on from here by itself."""
        twin = copy(self)
        twin._pictures = self._pictures.copy()  # noqa: SLF001 - of our own class
        twin._changes = self._changes.copy()  # noqa: SLF001 - of our own class
        return twin

    def _change_temporal(self, descriptor: Vp8PayloadDescriptor, number: int) -> None:
        """Come nearer to the target with the new frame `number`, if it allows that."""
        temporal = self.target_temporal
        layered = descriptor.temporal_id >= 0 and descriptor.tl0_picture_index >= 0
        if temporal > self.temporal and layered and not descriptor.is_key_frame:
            # A layer that was left out may be entered where it depends on no frame of itself. One at a time: what
            # follows a Y frame of T2 may need T1, which has to be entered likewise.
            if not descriptor.layer_sync or descriptor.temporal_id != self.temporal + 1:
                return
            temporal = self.temporal + 1
        self.temporal = temporal
        changes = self._changes
        changes.append((number, temporal))
        while changes[1][0] <= number - HISTORY:  # ends at the one just added
            del changes[0]

    def _admits_late(self, descriptor: Vp8PayloadDescriptor, ahead: int) -> bool:
        """A frame that is not newer than the newest: answered as the frames around it were."""
        if ahead < -MAX_LATE:
            if not descriptor.is_key_frame:
                return False
            self.switch(descriptor)
            return True
        number = self._number + ahead
        if self._leaves_out(descriptor, number):
            self._pictures.drop(number)
            return False
        if self._pictures.map(number) == DROPPED:
            return False
        self._count_base_layer(descriptor.tl0_picture_index)
        return True

    def _leaves_out(self, descriptor: Vp8PayloadDescriptor, number: int) -> bool:
        """Whether the frame is of a layer that was not sent when its turn was."""
        changes = self._changes
        temporal = changes[max(bisect_right(changes, number, key=_first) - 1, 0)][1]
        return descriptor.tl0_picture_index >= 0 and descriptor.temporal_id > temporal

    def _admits_unnumbered(self, descriptor: Vp8PayloadDescriptor) -> bool:
        """A packet, or a whole stream, without PictureID: which frame it is of cannot be told."""
        if not self._begun:
            return False
        if self._newest < 0:
            self.temporal = self.target_temporal
        self._count_base_layer(descriptor.tl0_picture_index)
        return True

    def _count_base_layer(self, tl0: int) -> None:
        """A TL0PICIDX (negative: none) was sent that may not be newer than those before."""
        if tl0 >= 0:
            self._tl0_sent += max((tl0 + self._tl0_move - self._tl0_sent + 0x80 & 0xFF) - 0x80, 0)

    def _find(self, descriptor: Vp8PayloadDescriptor) -> int:
        """The output PictureID of the last frame that came with this one's; DROPPED if it was not sent."""
        picture_id = descriptor.picture_id
        if picture_id < 0 or self._newest < 0:
            return max(picture_id, 0) if self._begun else DROPPED
        mask = 0x7FFF if descriptor.long_picture_id and self._long else 0x7F
        number = self._number - ((self._newest - picture_id) & mask)
        return DROPPED if self._leaves_out(descriptor, number) else self._pictures.map(number)
