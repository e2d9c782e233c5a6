"""A synthetic sender and a synthetic receiver on invented time, a network between them each way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from clients.network import PERFECT, Conditions, Direction, Path
from clients.synthetic.outgoing import ExtensionIds, OutgoingStream, StreamTerms
from clients.synthetic.packets import RtpHead, read_rtp
from clients.synthetic.rate import LossDelayController
from clients.synthetic.receiver import ReceptionTerms, SyntheticReceiver
from clients.synthetic.receiving import ReceivingSession
from clients.synthetic.rtcp import RtcpPacket, is_rtcp, parse_compound
from clients.synthetic.sending import SendingSession
from clients.synthetic.source import SyntheticSource
from labsfu.wire.rtp import MediaKind

EXTENSIONS = ExtensionIds(mid=1, rid=2, repaired_rid=3, send_time=4, wide=5, audio_level=10)
STEP = 0.001

Edit = Callable[[bytes, float], bytes | None]
"""What a middlebox makes of a packet: None loses it."""


@dataclass
class Call:
    """Sources are added with `send`; `run` lets time pass in steps of a millisecond."""

    up: Conditions = PERFECT
    down: Conditions = PERFECT
    seed: int = 1
    nack: bool = True
    pli: bool = True
    transport_cc: bool = True
    remb: bool = False
    rtx: bool = True
    start: float = 3_000_000
    edit: Edit | None = None
    now: float = 1000.0
    first_sequence: int = 65_500
    sent: list[tuple[float, bytes]] = field(default_factory=list)
    answered: list[tuple[float, bytes]] = field(default_factory=list)
    receivers: dict[int, SyntheticReceiver] = field(default_factory=dict)
    _streams: int = 0

    def __post_init__(self) -> None:
        self.path = Path(self.seed, "synthetic", Direction.UP, self.up)
        self.back = Path(self.seed, "synthetic", Direction.DOWN, self.down)
        controller = LossDelayController(start=self.start)
        self.sender = SendingSession(cname="a", wall_offset=1.7e9, controller=controller)
        estimator = LossDelayController(start=self.start)
        self.receiver = ReceivingSession(rtcp_ssrc=99, cname="b", estimator=estimator)

    def send(self, source: SyntheticSource) -> list[OutgoingStream]:
        """Begin to send a source; each of its layers has a receiver."""
        streams = []
        for index in range(max(1, len(source.rids))):
            ssrc = 1000 * (self._streams + 1)
            self._streams += 1
            video = source.kind is MediaKind.VIDEO
            ids = ExtensionIds(
                mid=EXTENSIONS.mid,
                rid=EXTENSIONS.rid,
                repaired_rid=EXTENSIONS.repaired_rid,
                send_time=EXTENSIONS.send_time,
                wide=EXTENSIONS.wide if self.transport_cc else None,
                audio_level=None if video else EXTENSIONS.audio_level,
            )
            rtx = self.rtx and video
            terms = StreamTerms(
                ssrc=ssrc,
                rtx_ssrc=ssrc + 1,
                payload_type=96 if video else 111,
                rtx_payload_type=97 if rtx else None,
                clock_rate=source.format.clock_rate,
                mid="0",
                rid=source.rids[index] if source.rids else "",
                extensions=ids,
            )
            streams.append(
                OutgoingStream(
                    terms,
                    first_sequence=self.first_sequence,
                    first_rtx_sequence=65_530,
                    first_timestamp=0xFFFF_0000,
                )
            )
            receiver = SyntheticReceiver(
                ReceptionTerms(
                    format=source.format,
                    ssrc=ssrc,
                    payload_type=terms.payload_type,
                    rtx_ssrc=ssrc + 1 if rtx else None,
                    rtx_payload_type=97 if rtx else None,
                    nack=self.nack and video,
                    pli=self.pli and video,
                    transport_cc=EXTENSIONS.wide if self.transport_cc else None,
                    send_time=EXTENSIONS.send_time if self.remb else None,
                ),
                rtcp_ssrc=99,
            )
            self.receivers[ssrc] = receiver
            self.receiver.add(receiver, self.now)
        self.sender.add(source, streams, self.now)
        return streams

    @property
    def only(self) -> SyntheticReceiver:
        """The receiver, where there is one."""
        (receiver,) = self.receivers.values()
        return receiver

    def run(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(round(seconds / STEP)):
            self.now += STEP
            self._step()

    def _step(self) -> None:
        now = self.now
        if self.sender.due <= now:
            for data in self.sender.run(now):
                self.sent.append((now, data))
                through = data if self.edit is None else self.edit(data, now)
                if through is not None:
                    self.path.send(through, now)
        for data in self.path.receive(now):
            (self.receiver.receive_rtcp if is_rtcp(data) else self.receiver.receive)(data, now)
        if self.receiver.due <= now:
            for data in self.receiver.run(now):
                self.answered.append((now, data))
                self.back.send(data, now)
        for data in self.back.receive(now):
            self.sender.receive_rtcp(data, now)

    def media(self, ssrc: int | None = None) -> list[tuple[float, bytes, RtpHead]]:
        """The RTP packets that were sent, with their headers, of one SSRC or of all."""
        found = [(at, data, read_rtp(data)) for at, data in self.sent if not is_rtcp(data)]
        return [item for item in found if ssrc in (None, item[2].ssrc)]

    def reports(self, kind: type[RtcpPacket], *, back: bool = False) -> list[tuple[float, RtcpPacket]]:
        """The RTCP packets of a kind that the sender (or the receiver) sent, and when."""
        log = self.answered if back else self.sent
        return [
            (at, packet)
            for at, data in log
            if is_rtcp(data)
            for packet in parse_compound(data)
            if isinstance(packet, kind)
        ]
