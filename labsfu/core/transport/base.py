"""What all transports have: media behind them, packets out, SRTP where there are keys, and counts of it all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from labsfu.core.drops import Drops
from labsfu.core.forwarding.rate_window import TRANSPORT_SPAN, RateWindow
from labsfu.core.forwarding.session import MediaSession
from labsfu.core.outputs import Address, SocketId
from labsfu.core.srtp.profiles import PROFILES, SrtpProfile
from labsfu.core.srtp.session import ProtectError, SrtpReceiver, SrtpSender
from labsfu.core.transport.surroundings import Surroundings
from labsfu.wire.ids import RouterId, TransportId


class Transport(ABC):
    """The way to one peer, be it a WebRTC peer or another router.

    Given: ids, surroundings, the media session's maker. Owned: the traffic counts, the keys once they are known.
    `up` is derived: packets can be sent.

    `packets_*` and `bytes_*` count datagrams on the wire, `control_*` those of them that are no RTP; `rtp_bytes_*`
    count RTP packets before encryption, those sent again among them, which `resent_bytes` counts too. `rates` is the
    window of `byte_counts`.
    """

    __slots__ = (
        "_around",
        "_remote",
        "_socket",
        "_srtp_in",
        "_srtp_out",
        "_srtp_tag",
        "bytes_received",
        "bytes_sent",
        "control_bytes_sent",
        "control_packets_sent",
        "drops",
        "id",
        "outbox",
        "packets_received",
        "packets_sent",
        "rates",
        "resent_bytes",
        "router_id",
        "rtp_bytes_received",
        "session",
        "transport_sequence",
        "up",
    )

    def __init__(
        self,
        id_: TransportId,
        router_id: RouterId,
        around: Surroundings,
        make_session: Callable[[Transport], MediaSession],
    ) -> None:
        self.id = id_
        self.router_id = router_id
        self._around = around
        self._srtp_in: SrtpReceiver | None = None
        self._srtp_out: SrtpSender | None = None
        self._srtp_tag = 0
        self._socket: SocketId = 0
        self._remote: Address = ("", 0)
        self.outbox = around.outbox.data
        self.up = False
        self.transport_sequence = 0
        self.drops = Drops()
        self.packets_received = 0
        self.bytes_received = 0
        self.rtp_bytes_received = 0
        self.packets_sent = 0
        self.bytes_sent = 0
        self.control_packets_sent = 0
        self.control_bytes_sent = 0
        self.resent_bytes = 0
        self.rates = RateWindow(TRANSPORT_SPAN)
        self.session = make_session(self)

    # ---------------------------------------------------------------- asked from above

    @property
    def remote(self) -> str:
        """The peer's "address:port"."""
        host, port = self._remote[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def forwarded(self) -> int:
        """RTP packets sent."""
        return self.packets_sent - self.control_packets_sent

    @property
    def rtp_bytes_sent(self) -> int:
        """Bytes of the RTP packets sent, before encryption: SRTP adds its tag to each, and nothing else."""
        return self.bytes_sent - self.control_bytes_sent - self._srtp_tag * self.forwarded

    def byte_counts(self) -> tuple[int, int, int, int, int, int]:
        """Received, sent; RTP received, sent; RTX received, sent (or sent again as it was). RTP is without RTX."""
        rtx_in, again_out = self.session.rtx_bytes_received, self.resent_bytes
        return (
            self.bytes_received,
            self.bytes_sent,
            self.rtp_bytes_received - rtx_in,
            self.rtp_bytes_sent - again_out,
            rtx_in,
            again_out,
        )

    @abstractmethod
    def close(self, now: float) -> None:
        """Send nothing any more. Idempotent."""

    # ---------------------------------------------------------------- packets out (Link)

    def send_rtp(self, length: int) -> bool:
        """Encrypt and send the RTP packet in `outbox[:length]`; False if that cannot be."""
        around = self._around
        gate = self._srtp_out
        if gate is None:
            return False
        try:
            length = gate.protect_rtp(around.outbox, length)
        except ProtectError as error:
            self.drops.count(error.reason)
            return False
        self.packets_sent += 1
        self.bytes_sent += length
        around.transmit(self._socket, self.outbox, length, self._remote)
        return True

    def send_rtcp(self, packet: bytes) -> None:
        """Encrypt and send a compound RTCP packet."""
        around = self._around
        if self._srtp_out is None:
            return
        if len(packet) > around.outbox.limit:
            self.drops.count("srtcp-too-long")
            return
        try:
            length = self._srtp_out.protect_rtcp(around.outbox, around.outbox.load(packet))
        except ProtectError as error:
            self.drops.count(error.reason)
            return
        self._count_control(length)
        around.transmit(self._socket, self.outbox, length, self._remote)

    def _count_control(self, length: int) -> None:
        self.packets_sent += 1
        self.bytes_sent += length
        self.control_packets_sent += 1
        self.control_bytes_sent += length

    def hold(self, ssrc: int) -> None:
        """Keep the keys' state of a stream that we receive."""
        if self._srtp_in is not None:
            self._srtp_in.hold(ssrc)

    def release(self, ssrc: int) -> None:
        """It need not be kept any more."""
        if self._srtp_in is not None:
            self._srtp_in.release(ssrc)

    def forget_sent(self, ssrc: int) -> None:
        """Nothing is sent with this SSRC any more."""
        if self._srtp_out is not None:
            self._srtp_out.remove_stream(ssrc)

    # ---------------------------------------------------------------- time

    @abstractmethod
    def tick(self, now: float) -> None:
        """Do what is due."""

    @abstractmethod
    def deadline(self) -> float | None:
        """When `tick` has something to do."""

    # ---------------------------------------------------------------- inside

    def _take_keys(self, profile: SrtpProfile, local_key_salt: bytes, remote_key_salt: bytes) -> None:
        """Protect what is sent, and unprotect what comes, with these."""
        self._srtp_in = SrtpReceiver(profile, remote_key_salt)
        self._srtp_out = SrtpSender(profile, local_key_salt)
        self._srtp_tag = PROFILES[profile].tag

    def _set_up(self, up: bool, now: float) -> None:
        """Tell those behind it if packets can be sent from now on, or not any more."""
        if up is self.up:
            return
        self.up = up
        if up:
            self._around.came_up(now)
        self.session.link_changed(now)
