"""A consumer: one producer's media on its way to one peer."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from labsfu.core.drops import Drops
from labsfu.core.forwarding.form import Extensions, PacketForm
from labsfu.core.forwarding.link import Link
from labsfu.core.forwarding.rate_window import STREAM_SPAN, RateWindow
from labsfu.core.forwarding.repaired import Repaired
from labsfu.core.forwarding.resends import RESENT_JUST_NOW, Resends
from labsfu.core.forwarding.score import Score
from labsfu.core.forwarding.send_times import SendTimes
from labsfu.core.forwarding.sequence_map import SequenceMap
from labsfu.core.rtcp.ntp import middle32, ntp_from_unix, round_trip_seconds
from labsfu.core.rtcp.reports import ReportBlock
from labsfu.core.token_bucket import TokenBucket
from labsfu.core.uris import MID
from labsfu.wire.base import ABSENT, Absent, JsonObject
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId
from labsfu.wire.rtp import MediaKind, RtcpFeedback, RtpParameters
from labsfu.wire.sfu import ConsumerScore

NACK = RtcpFeedback(type="nack")
"""Plain `nack` (RFC 4585 4.2): lost packets may be asked for."""

HEADERS = 40
"""Octets of a packet's headers, about: what is sent again is measured with them."""

NACK_RATE, NACK_BURST = 1000, 500
"""Packets that a receiver may ask for, a second and at once: far more than a path that is of any use loses."""

SCORE_RATE, SCORE_BURST = 1, 8
"""Changes of a score that are told, a second and at once: a peer decides how often there is one."""

FormKey: TypeAlias = tuple[Extensions, int, frozenset[int], bool]
"""Header extensions, length of the MID, payload types, whether payloads are rewritten in the form: what decides in
which form a consumer takes packets."""

_stamp = struct.Struct("!HII").pack_into
_stamp_transport_sequence = struct.Struct("!H").pack_into
_stamp_first = struct.Struct("!BBHII").pack_into


@dataclass(frozen=True, slots=True)
class ConsumerNames:
    """Who a consumer is: its own id, what it consumes, who for; and what its maker wants remembered.

    `created_at` is epoch milliseconds.
    """

    id: ConsumerId
    producer_id: ProducerId
    participant_id: ParticipantId
    created_at: int
    app_data: JsonObject | Absent


class RtxSender:
    """The stream in which a consumer's packets are sent again (RFC 4588 4, SSRC multiplexing).

    Given: its SSRC, the payload type of each media payload type, its first sequence number.
    """

    __slots__ = ("packets", "payload_types", "sequence", "ssrc")

    def __init__(self, ssrc: int, payload_types: dict[int, int], first_sequence: int) -> None:
        self.ssrc = ssrc
        self.payload_types = payload_types
        self.sequence = first_sequence
        self.packets = 0


class Consumer:
    """Sends a producer's packets to a peer as one continuous stream that starts at a key frame.

    Given: names, the producer's kind, the link to the peer, what was negotiated, the first sequence number, how to
    send again (None: as the packet was). Owned: its sequence space and counters. `active` is derived: the link, its
    own pause, whether it is `held`, the producer's pause and the producer's encoding all allow it. `resends` and
    `repaired` are there where plain `nack` was negotiated.
    Counted: what was sent (`packets`, `bytes` with headers, `octets` without) and sent again (`resent`); what the peer
    asked for (`nacks`, and numbers in them: `nacked`; `plis`, `firs`) and says of it (`reported_lost`, in all).
    """

    __slots__ = (
        "_awaits_key_frame",
        "_link",
        "_mid",
        "_questions",
        "_reported_packets",
        "_reported_resent",
        "_sequence",
        "_ssrc",
        "_times",
        "active",
        "bytes",
        "drops",
        "extensions",
        "firs",
        "fraction_lost",
        "held",
        "kind",
        "last_report_at",
        "nacked",
        "nacks",
        "names",
        "octets",
        "packets",
        "paused",
        "payload_types",
        "plis",
        "priority",
        "producer_paused",
        "rate",
        "repaired",
        "reported_lost",
        "resends",
        "resent",
        "round_trip",
        "rtp_parameters",
        "rtx",
        "score",
        "scores_told",
        "source_active",
        "told_score",
    )

    def __init__(
        self,
        names: ConsumerNames,
        kind: MediaKind,
        link: Link,
        rtp_parameters: RtpParameters,
        first_sequence: int,
        *,
        paused: bool,
        producer_paused: bool,
        source_active: bool = True,
        rtx: RtxSender | None = None,
    ) -> None:
        ssrc = rtp_parameters.encodings[0].ssrc
        if ssrc is ABSENT:
            raise ValueError("a consumer's encoding has an SSRC")
        self.names = names
        self.kind = kind
        self.rtp_parameters = rtp_parameters
        self.extensions: Extensions = tuple((e.uri, e.id) for e in rtp_parameters.header_extensions)
        self.drops = Drops()
        self.paused = paused
        self.held = False
        self.producer_paused = producer_paused
        self.source_active = source_active
        self.payload_types = frozenset(codec.payload_type for codec in rtp_parameters.codecs)
        self.packets = 0
        self.bytes = 0
        self.octets = 0
        self.rate = RateWindow(STREAM_SPAN)
        self.priority = 1
        self.score = Score()
        self.told_score: ConsumerScore | None = None
        self.scores_told = TokenBucket(SCORE_RATE, SCORE_BURST)
        self.fraction_lost = 0
        self.round_trip: float | None = None
        self.last_report_at: float | None = None
        self.rtx = rtx
        nack = any(f == NACK for codec in rtp_parameters.codecs for f in codec.rtcp_feedback)
        self.resends = Resends() if nack else None
        self.repaired = Repaired() if nack else None
        self._questions = TokenBucket(NACK_RATE, NACK_BURST)
        self._times = SendTimes() if nack and rtx is None else None
        self.nacks = 0
        self.nacked = 0
        self.plis = 0
        self.firs = 0
        self.resent = 0
        self._reported_packets = 0
        self.reported_lost = 0
        self._reported_resent = 0
        self._link = link
        self._ssrc = ssrc
        self._mid = b"" if rtp_parameters.mid is ABSENT or not self.negotiated(MID) else rtp_parameters.mid.encode()
        self._sequence = SequenceMap(first_sequence)
        self._awaits_key_frame = kind is MediaKind.VIDEO
        self.active = False
        self.refresh()

    def negotiated(self, uri: str) -> bool:
        """Whether the peer takes this header extension."""
        return any(known == uri for known, _ in self.extensions)

    @property
    def timestamp_offset(self) -> int:
        """What is added to the incoming stream's RTP timestamps."""
        return 0

    @property
    def ssrc(self) -> int:
        """The SSRC that the peer sees."""
        return self._ssrc

    @property
    def ssrcs(self) -> tuple[int, ...]:
        """All that it sends as: the media, and what it sends again."""
        return (self._ssrc,) if self.rtx is None else (self._ssrc, self.rtx.ssrc)

    @property
    def mid_length(self) -> int:
        """Length of the MID in bytes; 0 when it is not sent."""
        return len(self._mid)

    @property
    def wants_key_frame(self) -> bool:
        """Whether nothing can be sent before the next key frame."""
        return self.active and self._awaits_key_frame

    def refresh(self) -> bool:
        """Work out `active` anew; True when it became so (and, for video, a key frame is needed)."""
        was = self.active
        stopped = self.paused or self.held or self.producer_paused
        self.active = self._link.up and not stopped and self.source_active
        if self.active and not was:
            self.resync()
        return self.active and not was

    def begin_anew(self) -> None:
        """What comes is another stream, or one that began its numbers anew."""
        self._sequence.renumber()
        self.resync()

    def resync(self) -> None:
        """Let what comes next follow on what was sent; video from its next key frame."""
        self._sequence.unsync()
        self._awaits_key_frame = self.kind is MediaKind.VIDEO

    @property
    def form_key(self) -> FormKey:
        """Consumers with the same one take packets in the same form."""
        return self.extensions, len(self._mid), self.payload_types, self.rewrites

    @property
    def rewrites(self) -> bool:
        """Whether it writes numbers of its own into payloads, in their form: who takes them as they are has another."""
        return False

    @property
    def parts(self) -> tuple[Consumer, ...]:
        """What it consists of: itself, but where it sends several streams."""
        return (self,)

    @property
    def piped(self) -> bool:
        """Whether it goes into a pipe."""
        return False

    def skip(self, number: int, reason: str) -> bool:
        """Leave out a packet on purpose, without a gap; False when a later one was sent, so that there is a gap."""
        if not self.active:
            return True
        self.drops.count(reason)
        return not self._sequence.synced or self._sequence.drop(number)

    def relay(self, form: PacketForm, number: int, timestamp: int, key_frame: bool) -> bool:
        """Send the rendered packet with the extended number `number`; False when it is dropped (and counted)."""
        sequence = self._sequence
        if not sequence.synced:
            if self._awaits_key_frame and not key_frame:
                self.drops.count("awaiting-key-frame")
                return False
            if not sequence.is_new(number):  # it would be seen a second time
                self.drops.count("too-late")
                return False
            self._awaits_key_frame = False
            sequence.sync(number)
            self.rate.begin(form.now, 0)
        mapped = sequence.map(number)
        if mapped < 0:
            self.drops.count("too-late")
            return False
        self._send(form, mapped, timestamp)
        return True

    def _send(self, form: PacketForm, output: int, timestamp: int) -> None:
        """Send the rendered packet as number `output`."""
        link = self._link
        outbox = link.outbox
        length = form.length
        outbox[:length] = form.packet[:length]
        _stamp(outbox, 2, output, timestamp, self._ssrc)
        mid = self._mid
        if mid:
            at = form.mid_at
            outbox[at : at + len(mid)] = mid
        at = form.transport_sequence_at
        if at:
            _stamp_transport_sequence(outbox, at, link.transport_sequence & 0xFFFF)
            link.transport_sequence += 1
        if self._times is not None:
            self._times.keep(output, form, outbox)
        self.packets += 1
        self.bytes += length
        self.octets += form.payload_length
        link.send_rtp(length)

    # ---------------------------------------------------------------- sending again

    def sent_as(self, output: int) -> int:
        """The extended number of the packet that was sent as the 16-bit `output`; negative when there is none."""
        return self._sequence.unmap(output)

    def hears(self, numbers: Iterable[int], now: float) -> list[int]:
        """What it asks for, each once, as far as it has not asked for too much already."""
        wanted = list(dict.fromkeys(numbers))
        taken = self._questions.take_some(len(wanted), now)
        self.nacks += 1
        self.nacked += len(wanted)
        if taken < len(wanted):
            self.drops.count("nack-flood", len(wanted) - taken)
            if self.repaired is not None:
                for output in wanted[taken:]:
                    self.repaired.in_vain(output)
        return wanted[:taken]

    def may_resend(self, output: int, octets: int, now: float) -> bool:
        """Whether the packet `output` of `octets` may be sent again now; if not, it is counted why."""
        if self.resends is None or self.repaired is None:
            return False
        reason = self.resends.allow(output, octets, self.octets + HEADERS * self.packets, self.round_trip, now)
        if reason is None:
            self.repaired.sent(output, now)
        elif reason == RESENT_JUST_NOW:  # it may be under way
            self.drops.count(reason)
        else:
            self.may_not_resend(output, reason)
        return reason is None

    def may_not_resend(self, output: int, reason: str) -> None:
        """The packet `output` that was asked for is not sent again, nor are those that were sent under way still."""
        self.drops.count(reason)
        if self.repaired is not None:
            self.repaired.in_vain(output)

    def sent_late(self, number: int, now: float) -> None:
        """A packet that was missing went out: it need not be sent again to who has just asked for it."""
        if self.resends is not None:
            output = self._sequence.find(number)
            if output >= 0:
                self.resends.sent(output, now)

    def resend(self, form: PacketForm, output: int, timestamp: int) -> None:
        """Send the rendered packet again, which was `output` the first time: as RTX where that was negotiated."""
        rtx = self.rtx
        packet, length = form.packet, form.length
        outbox = self._link.outbox
        rtx_payload_type = None if rtx is None else rtx.payload_types.get(form.payload_type)
        if self._mid:
            packet[form.mid_at : form.mid_at + len(self._mid)] = self._mid
        if rtx is None or rtx_payload_type is None:
            outbox[:length] = packet[:length]
            _stamp(outbox, 2, output, timestamp, self._ssrc)
            if self._times is None or not self._times.restore(output, form, outbox):
                self.may_not_resend(output, "nack-not-kept")
                return
        else:
            payload = length - form.payload_length
            outbox[:payload] = packet[:payload]
            outbox[payload : payload + 2] = output.to_bytes(2, "big")
            outbox[payload + 2 : length + 2] = packet[payload:length]
            length += 2
            second = rtx_payload_type | (packet[1] & 0x80)  # the marker stays
            _stamp_first(outbox, 0, packet[0], second, rtx.sequence & 0xFFFF, timestamp, rtx.ssrc)
            rtx.sequence += 1
            rtx.packets += 1
            if form.transport_sequence_at:
                _stamp_transport_sequence(outbox, form.transport_sequence_at, self._link.transport_sequence & 0xFFFF)
                self._link.transport_sequence += 1
        if self._link.send_rtp(length):
            self._link.resent_bytes += length
            self.resent += 1
        elif self.repaired is not None:
            self.repaired.in_vain(output)

    # ---------------------------------------------------------------- what the peer says

    def receive_report(self, block: ReportBlock, unix_now: float) -> None:
        """Take in what the peer says of this stream (RFC 3550 6.4.1)."""
        self.fraction_lost = block.fraction_lost
        sent = self.packets - self._reported_packets
        if sent > 0:  # a report of nothing says nothing
            self.score.report(sent, block.packets_lost - self.reported_lost, self.resent - self._reported_resent)
        self._reported_packets, self.reported_lost = self.packets, block.packets_lost
        self._reported_resent = self.resent
        now = middle32(ntp_from_unix(unix_now))
        measured = round_trip_seconds(now, block.last_sr, block.delay_since_last_sr)
        self.round_trip = self.round_trip if measured is None else measured
