"""A pipe transport: plain RTP, or SRTP with keys given by hand, between two routers that know each other's address.

No handshake, no consent: what comes from the address that `connect` gave is the peer's, nothing else is. RTCP ends
here, as at any transport (mediasoup's PipeTransport).
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Callable
from typing import Final

from labsfu.core.forwarding.session import MediaSession
from labsfu.core.outputs import Address, BoundSocket
from labsfu.core.srtp.buffer import SrtpBuffer
from labsfu.core.transport.base import Transport
from labsfu.core.transport.demux import PacketKind, kind_of
from labsfu.core.transport.surroundings import Surroundings
from labsfu.errors import Conflict, InvalidValue, Malformed
from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.events import PipeConnected
from labsfu.wire.ids import RouterId, TransportId
from labsfu.wire.pipe import KEY_SALT_BYTES, PipeTransportPayload, PipeTuple, SrtpParameters

CRYPTO_SUITE: Final = "AEAD_AES_256_GCM"
_KEYS = 1 << 8 * KEY_SALT_BYTES


class PipeTransport(Transport):
    """The way to another router, over a socket that is the transport's own.

    Given: as `Transport`; the socket, whether packets are protected, whether lost ones are repaired (`rtx`), epoch
    milliseconds. `up` is derived: it was connected and not closed.
    """

    __slots__ = ("_closed", "_host", "_key_salt", "_next_ssrc", "_port", "created_at", "rtx", "socket")

    def __init__(
        self,
        id_: TransportId,
        router_id: RouterId,
        around: Surroundings,
        make_session: Callable[[Transport], MediaSession],
        *,
        socket: BoundSocket,
        srtp: bool,
        rtx: bool,
        created_at: int,
    ) -> None:
        super().__init__(id_, router_id, around, make_session)
        self.socket = socket
        self.rtx = rtx
        self.created_at = created_at
        self._socket = socket.id
        self._key_salt = _new_key_salt(around) if srtp else None
        self._next_ssrc = around.entropy.integer(1, 0xFFFFFFFF)
        self._host = ""
        self._port = 0
        self._closed = False

    # ---------------------------------------------------------------- asked from above

    @property
    def connected(self) -> bool:
        """Whether the other end is known."""
        return self._port != 0

    @property
    def srtp(self) -> bool:
        """Whether packets are protected."""
        return self._key_salt is not None

    @property
    def addresses(self) -> PipeTuple:
        """Between which addresses packets go."""
        return PipeTuple(
            local_ip=self.socket.ip,
            local_port=self.socket.port,
            remote_ip=self._host if self.connected else ABSENT,
            remote_port=self._port if self.connected else ABSENT,
        )

    def show(self) -> PipeTransportPayload:
        """As the API has it."""
        keys: SrtpParameters | Absent = ABSENT
        if self._key_salt is not None:
            key = base64.b64encode(self._key_salt).decode()
            keys = SrtpParameters(crypto_suite=CRYPTO_SUITE, key_base64=key)
        return PipeTransportPayload(
            id=self.id,
            router_id=self.router_id,
            addresses=self.addresses,
            rtx=self.rtx,
            srtp_parameters=keys,
            connected=self.connected,
            created_at=self.created_at,
        )

    def take_ssrcs(self, count: int) -> int:
        """The first of `count` SSRCs in a row that were never sent with here.

        The keys live as long as the transport, and a stream's numbers begin anew with its SSRC: one that came back
        would use nonces twice (RFC 3711 9.1, RFC 7714 8.4).
        """
        first = self._next_ssrc
        while first + count > 0xFFFFFFFF or any(self.session.uses(ssrc) for ssrc in range(first, first + count)):
            first = 1 if first + count > 0xFFFFFFFF else first + 1
        self._next_ssrc = first + count
        return first

    def connect(self, ip: str, port: int, srtp_parameters: SrtpParameters | Absent, now: float) -> None:
        """Take the other end's address, and its keys if packets are protected.

        Raises:
            Conflict: they were given before (`transport-already-connected`).
            InvalidValue: `invalid-remote-address`, `srtp-parameters-required`, `srtp-parameters-not-enabled`,
                `invalid-srtp-parameters`.
        """
        if self.connected:
            raise Conflict(f"pipe transport '{self.id}' is connected already", slug="transport-already-connected")
        host = _remote_host(ip, self.socket.ip)
        if not 0 < port <= 0xFFFF:
            raise InvalidValue(f"port {port} is not from 1 to 65535", slug="invalid-remote-address")
        if self._key_salt is not None:
            self._take_keys(CRYPTO_SUITE, self._key_salt, self._remote_key_salt(srtp_parameters))
        elif not isinstance(srtp_parameters, Absent):
            said = f"pipe transport '{self.id}' was made without SRTP, and takes no srtpParameters"
            raise InvalidValue(said, slug="srtp-parameters-not-enabled")
        self._host, self._port = host, port
        self._remote = (host, port, 0, 0) if ":" in host else (host, port)
        self._around.emit(PipeConnected(router_id=self.router_id, transport_id=self.id, remote=self.remote))
        self._set_up(True, now)

    def _remote_key_salt(self, parameters: SrtpParameters | Absent) -> bytes:
        if isinstance(parameters, Absent):
            said = f"pipe transport '{self.id}' was made with SRTP, and needs srtpParameters"
            raise InvalidValue(said, slug="srtp-parameters-required")
        try:
            key_salt = base64.b64decode(parameters.key_base64, validate=True)
        except (binascii.Error, ValueError):
            raise InvalidValue("keyBase64 is not base64", slug="invalid-srtp-parameters") from None
        if len(key_salt) != KEY_SALT_BYTES:
            said = f"keyBase64 has {len(key_salt)} octets, {CRYPTO_SUITE} takes {KEY_SALT_BYTES}"
            raise InvalidValue(said, slug="invalid-srtp-parameters")
        if key_salt == self._key_salt:  # both directions would use the same nonces
            raise InvalidValue("keyBase64 is the key of this end, not of the other", slug="invalid-srtp-parameters")
        return key_salt

    def close(self, now: float) -> None:
        """Send nothing any more, and let go of the socket. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._set_up(False, now)
        self._srtp_in = self._srtp_out = None
        self._around.release(self.socket.id)

    # ---------------------------------------------------------------- packets in

    def receive(self, inbox: SrtpBuffer, length: int, source: Address, now: float) -> bool:
        """Take in the datagram in `inbox[:length]`; one that fills it to the brim was cut off.

        Returns:
            True when it may have set a timer.

        Raises:
            Malformed: it is not from the other end (`pipe-unknown-source`; `pipe-not-connected` while that is not
                known), does not decrypt, is neither RTP nor RTCP, or is nobody's.
        """
        if source[1] != self._port or source[0] != self._host:
            raise Malformed("pipe-unknown-source" if self.connected else "pipe-not-connected")
        self.packets_received += 1
        self.bytes_received += length
        data = inbox.data
        if length == len(data):
            raise Malformed("too-long")
        kind = kind_of(data, length)
        if kind is PacketKind.RTP:
            return self._receive_rtp(inbox, length, now)
        if kind is not PacketKind.RTCP:
            raise Malformed("unknown-packet")
        if self._srtp_in is not None:
            length = self._srtp_in.unprotect_rtcp(inbox, length)
        self.session.receive_rtcp(bytes(inbox.view[:length]), now)
        return True

    def _receive_rtp(self, inbox: SrtpBuffer, length: int, now: float) -> bool:
        gate, session, data = self._srtp_in, self.session, inbox.data
        if gate is not None:
            if session.knows(int.from_bytes(data[8:12], "big")):
                length = gate.unprotect_rtp(inbox, length)
            else:
                length = gate.unprotect_first_rtp(inbox, length)
        self.rtp_bytes_received += length
        return session.receive_rtp(data, length, now)

    # ---------------------------------------------------------------- packets out (Link)

    def send_rtp(self, length: int) -> bool:
        """Send the RTP packet in `outbox[:length]`, protected if that was asked for; False if that cannot be."""
        if self._key_salt is not None:
            return super().send_rtp(length)
        if not self.up:
            return False
        self.packets_sent += 1
        self.bytes_sent += length
        self._around.transmit(self._socket, self.outbox, length, self._remote)
        return True

    def send_rtcp(self, packet: bytes) -> None:
        """Send a compound RTCP packet, protected if that was asked for."""
        if self._key_salt is not None:
            super().send_rtcp(packet)
        elif self.up:
            self._count_control(len(packet))
            self._around.transmit(self._socket, packet, len(packet), self._remote)

    # ---------------------------------------------------------------- time

    def tick(self, now: float) -> None:
        """Do what is due."""
        self.session.tick(now)

    def deadline(self) -> float | None:
        """When `tick` has something to do."""
        return self.session.deadline()


def _new_key_salt(around: Surroundings) -> bytes:
    return around.entropy.integer(0, _KEYS - 1).to_bytes(KEY_SALT_BYTES, "big")


def _remote_host(ip: str, local_ip: str) -> str:
    """An address as the sockets write it, which packets can be sent to and come from; else InvalidValue."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        raise InvalidValue(f"'{ip}' is no IP address", slug="invalid-remote-address") from None
    if address.is_unspecified or address.is_multicast or getattr(address, "ipv4_mapped", None) is not None:
        raise InvalidValue(f"'{ip}' is the address of no single host", slug="invalid-remote-address")
    if (address.version == 6) is not (":" in local_ip):
        raise InvalidValue(f"'{ip}' cannot be reached from '{local_ip}'", slug="invalid-remote-address")
    return str(address)
