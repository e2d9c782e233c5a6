"""The receiving half of a transport: receivers, reports, transport-wide feedback, REMB."""

from __future__ import annotations

from clients.synthetic.arrivals import Arrivals
from clients.synthetic.packets import RtpHead, find_element, read_rtp, seconds_of_send_time
from clients.synthetic.rate import LossDelayController
from clients.synthetic.receiver import SyntheticReceiver
from clients.synthetic.rtcp import (
    MAX_BLOCKS,
    Goodbye,
    ReceiverReport,
    Remb,
    SenderReport,
    SourceDescription,
    encode_compound,
    parse_compound,
)

REPORT_INTERVAL = 1.0
REMB_INTERVAL = 0.2


class ReceivingSession:
    """All that one transport receives.

    Args:
        rtcp_ssrc: what our reports are sent as.
        cname: told with them.
        estimator: how much the path carries, for REMBs.

    Attributes:
        due: when `run` has something to do, monotonic seconds.
        receivers: by SSRC of media and of retransmissions.
        feedbacks: transport-wide feedback packets sent; rembs: REMBs sent.
    """

    def __init__(self, *, rtcp_ssrc: int, cname: str, estimator: LossDelayController | None = None) -> None:
        self.estimator = LossDelayController() if estimator is None else estimator
        self.due = float("inf")
        self.receivers: dict[int, SyntheticReceiver] = {}
        self.feedbacks = 0
        self.rembs = 0
        self.rtcp_ssrc = rtcp_ssrc
        self._cname = cname
        self._arrivals = Arrivals(rtcp_ssrc)
        self._report_at = float("inf")
        self._remb_at = float("inf")
        self._timed: list[tuple[float, float | None, int]] = []

    def add(self, receiver: SyntheticReceiver, now: float) -> None:
        """Receive a stream."""
        self.receivers[receiver.terms.ssrc] = receiver
        if receiver.terms.rtx_ssrc is not None:
            self.receivers[receiver.terms.rtx_ssrc] = receiver
        self._report_at = min(self._report_at, now + REPORT_INTERVAL)
        if receiver.terms.send_time is not None:
            self._remb_at = min(self._remb_at, now + REMB_INTERVAL)
        self.due = min(self.due, self._report_at, self._remb_at)

    def remove(self, receiver: SyntheticReceiver) -> None:
        """Receive it no more."""
        for ssrc in [ssrc for ssrc, found in self.receivers.items() if found is receiver]:
            del self.receivers[ssrc]

    def receive(self, data: bytes, now: float) -> None:
        """Take in an RTP packet; of an SSRC that nobody has it is ignored, one that does not parse is counted there.

        Raises:
            Malformed: its header does not parse.
        """
        head = read_rtp(data)
        receiver = self.receivers.get(head.ssrc)
        if receiver is None:
            return
        terms = receiver.terms
        if terms.transport_cc is not None:
            wide = find_element(data, head, terms.transport_cc)
            if wide is not None and len(wide) == 2:
                arrivals = self._arrivals
                arrivals.note(wide[0] << 8 | wide[1], head.ssrc, now)
                if arrivals.due < self.due:
                    self.due = arrivals.due
        elif terms.send_time is not None:
            self._time(data, head, terms.send_time, now)
        receiver.receive(data, head, now)
        if receiver.due < self.due:
            self.due = receiver.due

    def receive_rtcp(self, data: bytes, now: float) -> None:
        """Take in a compound packet.

        Raises:
            Malformed: it does not parse.
        """
        for packet in parse_compound(data):
            if isinstance(packet, SenderReport):
                receiver = self.receivers.get(packet.ssrc)
                if receiver is not None and packet.ssrc == receiver.terms.ssrc:
                    receiver.on_sender_report(packet, now)
            elif isinstance(packet, Goodbye):
                for receiver in self._each():
                    receiver.on_goodbye(packet)

    def run(self, now: float) -> list[bytes]:
        """The RTCP packets that leave now."""
        packets = []
        for receiver in self._each():
            if receiver.due <= now:
                packets += [packet.encode() for packet in receiver.run(now)]
        feedbacks = self._arrivals.feedback(now)
        self.feedbacks += len(feedbacks)
        packets += [feedback.encode() for feedback in feedbacks]
        if now >= self._report_at:
            packets += self._reports(now)
        if now >= self._remb_at:
            packets += self._remb(now)
        self.due = min(self._report_at, self._remb_at, self._arrivals.due, *(receiver.due for receiver in self._each()))
        return packets

    def _each(self) -> list[SyntheticReceiver]:
        return [receiver for ssrc, receiver in self.receivers.items() if ssrc == receiver.terms.ssrc]

    def _reports(self, now: float) -> list[bytes]:
        self._report_at = now + REPORT_INTERVAL if self.receivers else float("inf")
        blocks = [block for receiver in self._each() if (block := receiver.report_block(now)) is not None]
        name = SourceDescription(((self.rtcp_ssrc, self._cname),))
        lost = [block.fraction_lost / 256 for block in blocks]
        if lost and self._remb_at < float("inf"):
            self.estimator.on_loss(max(lost), now)
        return [
            encode_compound((ReceiverReport(self.rtcp_ssrc, tuple(blocks[start : start + MAX_BLOCKS])), name))
            for start in range(0, max(1, len(blocks)), MAX_BLOCKS)
        ]

    def _time(self, data: bytes, head: RtpHead, id_: int, now: float) -> None:
        value = find_element(data, head, id_)
        if value is not None and len(value) == 3:
            self._timed.append((seconds_of_send_time(value, now), now, len(data)))

    def _remb(self, now: float) -> list[bytes]:
        ssrcs = tuple(receiver.terms.ssrc for receiver in self._each() if receiver.terms.send_time is not None)
        self._remb_at = now + REMB_INTERVAL if ssrcs else float("inf")
        timed, self._timed = self._timed, []
        if not timed or not ssrcs:
            return []
        self.estimator.on_arrivals(timed, now)
        self.rembs += 1
        return [Remb(self.rtcp_ssrc, round(self.estimator.target), ssrcs).encode()]
