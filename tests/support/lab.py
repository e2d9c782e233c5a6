"""An engine and its peers on invented time: no socket, no sleep, and a network that loses only what it is told to."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Protocol, TypeVar

from labsfu.core.dtls.certificate import DtlsCertificate, generate_certificate
from labsfu.core.dtls.context import context_for
from labsfu.core.dtls.endpoint import DtlsEndpoint
from labsfu.core.dtls.state import DtlsRole as EndpointRole
from labsfu.core.engine import Engine
from labsfu.core.entropy import Entropy
from labsfu.core.ortc.supported import DEFAULT_MEDIA_CODECS
from labsfu.core.outputs import Address, BoundSocket, SocketId, Transmit
from labsfu.core.rtcp.compound import RtcpPacket, parse_compound
from labsfu.core.srtp.buffer import SrtpBuffer
from labsfu.core.srtp.session import SrtpReceiver, SrtpSender
from labsfu.core.stun.encode import encode_request
from labsfu.core.transport.demux import PacketKind, kind_of
from labsfu.wire import commands
from labsfu.wire.events import EngineFault, Event
from labsfu.wire.ids import RouterId, TransportId
from labsfu.wire.rtp import RtpCodecCapability
from labsfu.wire.transport import (
    DtlsFingerprint,
    DtlsParameters,
    DtlsRole,
    DtlsState,
    IceCandidate,
    TransportOptions,
)
from tests.support.seeded import SeededEntropy

SERVER: Address = ("192.0.2.1", 40000)
START = 1000.0
UNIX_START = 1_800_000_000.0

R = TypeVar("R")


@cache
def certificate(name: str) -> DtlsCertificate:
    now = datetime.now(UTC)
    return generate_certificate(now - timedelta(days=1), now + timedelta(days=1), name)


def check(
    options: TransportOptions, *, nominate: bool = True, controlled: bool = False, password: str | None = None
) -> bytes:
    """A connectivity check for a transport of the engine."""
    ice = options.ice_parameters
    return encode_request(
        bytes(12),
        f"{ice.username_fragment}:peer",
        ice.password if password is None else password,
        priority=1,
        controlling=None if controlled else 1,
        controlled=1 if controlled else None,
        use_candidate=nominate,
    )


class Programme(Protocol):
    """What a peer does by itself, once it is connected; time is the lab's."""

    def receive_rtp(self, packet: bytes) -> None: ...

    def receive_rtcp(self, packet: RtcpPacket) -> None: ...

    def tick(self) -> None: ...

    def deadline(self) -> float | None: ...


class Peer:
    """A WebRTC peer, sans-IO: full ICE's checks, either DTLS role, SRTP (only with `profile`, if one is given)."""

    def __init__(self, lab: Lab, address: Address, role: EndpointRole, profile: bytes | None = None) -> None:
        self.lab = lab
        self.address = address
        self.role = role
        self.certificate = certificate(f"peer-{address[0]}-{address[1]}")
        if profile is not None:
            # the context belongs to the certificate: a fresh one, so that nobody else gets it
            self.certificate = certificate.__wrapped__(f"peer-{address[0]}-{address[1]}")
            context_for(self.certificate).set_tlsext_use_srtp(profile)
        self.dtls = DtlsEndpoint(self.certificate)
        self.options: TransportOptions | None = None
        self.rtp: list[bytes] = []
        self.rtcp: list[RtcpPacket] = []
        self.stun: list[bytes] = []
        self.programmes: list[Programme] = []
        self._buffer = SrtpBuffer()
        self._srtp: tuple[SrtpSender, SrtpReceiver] | None = None

    @property
    def connected(self) -> bool:
        return self._srtp is not None

    def dtls_parameters(self) -> DtlsParameters:
        return DtlsParameters(
            role=DtlsRole(self.role.value),
            fingerprints=(DtlsFingerprint(algorithm="sha-256", value=self.certificate.fingerprint()),),
        )

    def check(
        self,
        options: TransportOptions,
        *,
        nominate: bool = True,
        controlled: bool = False,
        password: str | None = None,
    ) -> None:
        self.options = options
        self.lab.send(self.address, check(options, nominate=nominate, controlled=controlled, password=password))

    def start_dtls(self) -> None:
        self.dtls.start(self.role, self.lab.now)
        self._flush()

    def deliver(self, data: bytes) -> None:
        kind = kind_of(data, len(data))
        if kind is PacketKind.STUN:
            self.stun.append(data)
        elif kind is PacketKind.DTLS:
            self.dtls.receive(data, self.lab.now)
            self._flush()
        elif self._srtp is not None:
            length = self._buffer.load(data)
            if kind is PacketKind.RTCP:
                length = self._srtp[1].unprotect_rtcp(self._buffer, length)
                for control in parse_compound(bytes(self._buffer.view[:length])):
                    self.rtcp.append(control)
                    for programme in self.programmes:
                        programme.receive_rtcp(control)
            else:
                length = self._srtp[1].unprotect_rtp(self._buffer, length)
                packet = bytes(self._buffer.view[:length])
                self.rtp.append(packet)
                for programme in self.programmes:
                    programme.receive_rtp(packet)

    def protect(self, packet: bytes) -> bytes:
        assert self._srtp is not None
        length = self._srtp[0].protect_rtp(self._buffer, self._buffer.load(packet))
        return bytes(self._buffer.view[:length])

    def send_rtp(self, packet: bytes) -> None:
        self.lab.send(self.address, self.protect(packet))

    def protect_rtcp(self, *packets: RtcpPacket) -> bytes:
        assert self._srtp is not None
        data = b"".join(packet.encode() for packet in packets)
        length = self._srtp[0].protect_rtcp(self._buffer, self._buffer.load(data))
        return bytes(self._buffer.view[:length])

    def send_rtcp(self, *packets: RtcpPacket) -> None:
        self.lab.send(self.address, self.protect_rtcp(*packets))

    def deadline(self) -> float | None:
        due = [self.dtls.deadline(), *(programme.deadline() for programme in self.programmes)]
        return min((at for at in due if at is not None), default=None)

    def tick(self) -> None:
        self.dtls.tick(self.lab.now)
        self._flush()
        for programme in self.programmes:
            programme.tick()

    def _flush(self) -> None:
        for datagram in self.dtls.outgoing():
            self.lab.send(self.address, datagram)
        if self._srtp is None and self.dtls.state is DtlsState.CONNECTED:
            material = self.dtls.srtp_material()
            self._srtp = (
                SrtpSender(material.profile, material.local_key_salt),
                SrtpReceiver(material.profile, material.remote_key_salt),
            )


class Lab:
    """One engine, one router, any number of peers."""

    def __init__(
        self,
        entropy: Entropy | None = None,
        transmit: Transmit | None = None,
        media_codecs: Sequence[RtpCodecCapability] = DEFAULT_MEDIA_CODECS,
    ) -> None:
        self.now = START
        self.faults_allowed = False
        self.events: list[Event] = []
        self.peers: dict[Address, Peer] = {}
        self.lose: Callable[[bytes, Address], bool] = lambda _data, _to: False
        self._flying: deque[tuple[Address, Address, bytes]] = deque()
        self.sent: list[tuple[Address, bytes]] = []
        self.released: list[SocketId] = []
        self.engine = Engine(
            entropy=SeededEntropy() if entropy is None else entropy,
            unix_offset=UNIX_START - START,
            certificate=certificate("server"),
            media_codecs=media_codecs,
            transmit=self._transmit if transmit is None else transmit,
            release=self.released.append,
            candidates=[
                IceCandidate(
                    foundation="udpcandidate",
                    priority=1,
                    ip=SERVER[0],
                    address=SERVER[0],
                    protocol="udp",
                    port=SERVER[1],
                )
            ],
        )
        created = self.do(commands.CreateRouter(), commands.RouterCreated)
        self.router: RouterId = created.router_id
        self.capabilities = created.rtp_capabilities

    def do(self, command: commands.Command, _result: type[R], socket: BoundSocket | None = None) -> R:
        """Execute a command and give its result, which is of the type named."""
        result = self.engine.execute(command, self.now, socket)
        self.drain()
        self.pump()
        assert isinstance(result, _result)
        return result

    def drain(self) -> None:
        """Take the engine's events; a fault of its own is never what a test wants."""
        for event in self.engine.drain():
            if isinstance(event, EngineFault) and not self.faults_allowed:
                raise AssertionError(event.detail)
            self.events.append(event)

    def transport(self) -> TransportOptions:
        return self.do(commands.CreateWebRtcTransport(router_id=self.router), commands.TransportCreated).options

    def peer(self, role: EndpointRole = EndpointRole.CLIENT, port: int = 5000, profile: bytes | None = None) -> Peer:
        address = self.new_address(port)
        peer = self.peers[address] = Peer(self, address, role, profile)
        return peer

    def new_address(self, port: int) -> Address:
        """Where the next peer is."""
        return (f"198.51.100.{len(self.peers) + 1}", port)

    def alias(self, peer: Peer, port: int) -> Address:
        """Another address at which the peer is reached."""
        address: Address = (peer.address[0], port)
        self.peers[address] = peer
        return address

    def check_from(self, address: Address, options: TransportOptions, *, nominate: bool) -> None:
        """Have a check come from another address."""
        self.send(address, check(options, nominate=nominate))
        self.pump()

    def connect(self, transport_id: TransportId, peer: Peer) -> None:
        command = commands.ConnectWebRtcTransport(
            router_id=self.router, transport_id=transport_id, dtls_parameters=peer.dtls_parameters()
        )
        self.do(command, commands.Done)

    def connected_peer(
        self, role: EndpointRole = EndpointRole.CLIENT, *, profile: bytes | None = None
    ) -> tuple[Peer, TransportId]:
        """A peer with ICE and DTLS done on a transport of its own."""
        options = self.transport()
        peer = self.peer(role, profile=profile)
        peer.check(options)
        peer.start_dtls()
        self.connect(options.id, peer)
        assert peer.connected
        return peer, options.id

    def send(self, source: Address, data: bytes) -> None:
        """Put a datagram on its way to the engine."""
        self._flying.append((source, SERVER, data))

    def pump(self) -> None:
        """Deliver what flies until nothing does."""
        while self._flying:
            self.arrive(*self._flying.popleft())

    def arrive(self, source: Address, target: Address, data: bytes) -> None:
        """Hand a datagram to whom it was sent to."""
        if self.lose(data, target):
            return
        if target == SERVER:
            self.engine.receive(data, source, 0, self.now)
            self.drain()
        elif target in self.peers:
            self.peers[target].deliver(data)

    def deadlines(self) -> list[float | None]:
        """When something happens by itself."""
        return [self.engine.deadline(), *(peer.deadline() for peer in self.peers.values())]

    def advance(self, seconds: float) -> None:
        """Let time pass, from deadline to deadline."""
        end = self.now + seconds
        while True:
            self.pump()
            at = min((due for due in self.deadlines() if due is not None), default=None)
            if at is None or at > end:
                break
            # A deadline that stays in the past would stop time.
            self.now = max(self.now + 1e-4, at)
            self.tick()
        self.now = max(self.now, end)

    def tick(self) -> None:
        """Let everybody do what is due."""
        self.engine.tick(self.now)
        self.drain()
        for peer in self.peers.values():
            peer.tick()

    def drops(self) -> dict[str, int]:
        counted = self.do(commands.GetCounts(), commands.Counted)
        return {drop.reason: drop.packets for drop in counted.counts.drops}

    def _transmit(self, _socket: int, buffer: bytearray | bytes, length: int, address: Address, /) -> None:
        data = bytes(buffer[:length])
        self.sent.append((address, data))
        self._flying.append((SERVER, address, data))
