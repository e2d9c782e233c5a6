"""The form in which a packet goes to consumers that negotiated the same: header, extensions, payload type.

A packet is rendered once a form, then copied and stamped for each consumer. Only extensions that these consumers
negotiated are in it (RFC 8285 6). MID and the transport-wide sequence number leave a space that each consumer fills
with its own; abs-send-time is ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from labsfu.core.codecs.vp8 import Vp8PayloadDescriptor
from labsfu.core.forwarding.arrival import Arrival, Elements
from labsfu.core.rtp.extensions import ONE_BYTE_PROFILE, encode_extensions
from labsfu.core.rtp.packet import Buffer
from labsfu.core.rtp.values import encode_abs_send_time
from labsfu.core.uris import ABS_SEND_TIME, MID, TRANSPORT_WIDE_CC

MAX_PACKET = 1600
"""Bytes of a packet before encryption: more than any path carries (RFC 8834 4.6 wants far less)."""

_OURS = (MID, ABS_SEND_TIME, TRANSPORT_WIDE_CC)
"""Extensions that are about the path from us to the consumer: never the producer's values."""

Extensions = tuple[tuple[str, int], ...]
"""(URI, id) of the header extensions that a consumer negotiated."""


class PacketForm:
    """One rendering for a group of consumers.

    Attributes:
        packet: the rendered packet; sequence number, timestamp, SSRC and MID are still to be stamped.
        length: its length in bytes.
        payload_length: length of its payload in bytes.
        payload_type: the router's, as in `packet`.
        mid_at: offset of the MID's value in `packet`; 0 when the packet has none.
        transport_sequence_at: the same for the transport-wide sequence number.
        send_time_at: the same for abs-send-time, which is in its place already.
        descriptor: of a VP8 payload, where layers are told apart by it; None elsewhere.
        shift: how much farther back than in the packet as it came the payload lies.
        now: when the packet came, monotonic seconds.
    """

    __slots__ = (
        "_mid_id",
        "_own",
        "_proxied",
        "_transport_sequence_id",
        "descriptor",
        "length",
        "mid_at",
        "mid_length",
        "now",
        "packet",
        "payload_length",
        "payload_type",
        "send_time_at",
        "shift",
        "transport_sequence_at",
    )

    def __init__(self, extensions: Extensions, mid_length: int, producer_ids: dict[str, int]) -> None:
        self.mid_length = mid_length
        ids = dict(extensions)
        self._mid_id = ids.get(MID, 0) if mid_length else 0
        self._own = ids.get(ABS_SEND_TIME, 0)
        self._transport_sequence_id = ids.get(TRANSPORT_WIDE_CC, 0)
        self._proxied = tuple(
            (producer_ids[uri], id_) for uri, id_ in extensions if uri not in _OURS and uri in producer_ids
        )
        self.packet = bytearray(MAX_PACKET)
        self.length = 0
        self.payload_length = 0
        self.payload_type = 0
        self.mid_at = 0
        self.transport_sequence_at = 0
        self.send_time_at = 0
        self.descriptor: Vp8PayloadDescriptor | None = None
        self.shift = 0
        self.now = 0.0

    def render(self, arrival: Arrival, payload_type: int, send_time: int) -> bool:
        """Write a packet into `packet`, without padding; False when it grows too long for that.

        Args:
            arrival: the packet as it came; its extension elements have the producer's ids.
            payload_type: the router's payload type.
            send_time: abs-send-time, 24 bits.
        """
        buffer, header = arrival.buffer, arrival.header
        block = self._extensions(buffer, arrival.elements, send_time)
        packet = self.packet
        csrc_end = 12 + 4 * header.csrc_count
        start = csrc_end + len(block)
        end = start + header.payload_length
        if end > MAX_PACKET:
            return False
        packet[0] = (0x90 if block else 0x80) | header.csrc_count
        packet[1] = (0x80 if header.marker else 0) | payload_type
        if header.csrc_count:
            packet[12:csrc_end] = buffer[12:csrc_end]
        packet[csrc_end:start] = block
        offset = header.payload_offset
        packet[start:end] = buffer[offset : offset + header.payload_length]
        self.length = end
        self.payload_length = header.payload_length
        self.descriptor = arrival.descriptor
        self.shift = start - header.payload_offset
        self.payload_type = payload_type
        self.now = arrival.now
        if self._mid_id or self._transport_sequence_id or self._own:
            element_header = 1 if block[0] << 8 | block[1] == ONE_BYTE_PROFILE else 2
            at = csrc_end + 4 + element_header  # the value of the first element
            if self._mid_id:
                self.mid_at = at
                at += self.mid_length + element_header
            if self._transport_sequence_id:
                self.transport_sequence_at = at
                at += 2 + element_header
            if self._own:
                self.send_time_at = at
        return True

    @contextmanager
    def emptied(self, when: bool = True) -> Iterator[None]:
        """For the time being (`when` says so) the packet has no payload: it fills the place of one that is left out."""
        length, payload_length = self.length, self.payload_length
        if when:
            self.length, self.payload_length = length - payload_length, 0
        try:
            yield
        finally:
            self.length, self.payload_length = length, payload_length

    def _extensions(self, buffer: Buffer, elements: Elements, send_time: int) -> bytes:
        values: list[tuple[int, bytes]] = []
        if self._mid_id:  # what consumers fill in comes first, so that its place is known
            values.append((self._mid_id, bytes(self.mid_length)))
        if self._transport_sequence_id:
            values.append((self._transport_sequence_id, b"\0\0"))
        if self._own:
            values.append((self._own, encode_abs_send_time(send_time)))
        for producer_id, id_ in self._proxied:
            element = elements.get(producer_id)
            if element is not None:
                offset, length = element
                values.append((id_, bytes(buffer[offset : offset + length])))
        return encode_extensions(values)
