"""A WebRTC transport: ICE, DTLS and SRTP as one machine, with the media of one peer behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from labsfu.core.dtls.certificate import FINGERPRINT_ALGORITHMS
from labsfu.core.dtls.endpoint import DtlsEndpoint
from labsfu.core.dtls.state import DtlsRole as EndpointRole
from labsfu.core.forwarding.session import MediaSession
from labsfu.core.ice.lite import IceCredentials, IceLiteAgent
from labsfu.core.outputs import Address, SocketId
from labsfu.core.srtp.buffer import SrtpBuffer
from labsfu.core.transport.base import Transport
from labsfu.core.transport.surroundings import Surroundings
from labsfu.errors import Conflict, InvalidValue, Malformed
from labsfu.wire.events import DtlsStateChanged, IceStateChanged
from labsfu.wire.ids import RouterId, TransportId
from labsfu.wire.transport import (
    DtlsFingerprint,
    DtlsParameters,
    DtlsRole,
    DtlsState,
    IceCandidate,
    IceParameters,
    IceState,
    TransportOptions,
)

UFRAG_LENGTH = 32
PASSWORD_LENGTH = 32


class WebRtcTransport(Transport):
    """The way to one WebRTC peer.

    Given: as `Transport`. Owned: the three gates and their states.
    `up` is derived: ICE has a path, DTLS is done and its fingerprint is the one that `connect` gave.
    """

    __slots__ = ("_dtls", "_dtls_state", "_ice", "_ice_state", "_remote_parameters", "addresses")

    def __init__(
        self,
        id_: TransportId,
        router_id: RouterId,
        around: Surroundings,
        make_session: Callable[[Transport], MediaSession],
    ) -> None:
        self._around = around
        self._ice = IceLiteAgent(self._new_credentials())
        self._dtls = DtlsEndpoint(around.certificate)
        self._ice_state = IceState.NEW
        self._dtls_state = DtlsState.NEW
        self._remote_parameters: DtlsParameters | None = None
        self.addresses: dict[Address, SocketId] = {}
        super().__init__(id_, router_id, around, make_session)

    def _new_credentials(self) -> IceCredentials:
        entropy = self._around.entropy
        return IceCredentials(entropy.ice_token(UFRAG_LENGTH), entropy.ice_token(PASSWORD_LENGTH))

    # ---------------------------------------------------------------- asked from above

    @property
    def ufrags(self) -> tuple[str, ...]:
        """Local ufrags that a check for this transport may show."""
        return self._ice.ufrags

    @property
    def reachable(self) -> bool:
        """Whether the peer has shown lately that it wants our packets (RFC 7675)."""
        return self._ice.selected is not None

    @property
    def ice_state(self) -> IceState:
        """State of the ICE gate."""
        return self._ice_state

    @property
    def dtls_state(self) -> DtlsState:
        """State of the DTLS gate, fingerprint check included."""
        return self._dtls_state

    @property
    def selected(self) -> tuple[IceCandidate, Address] | None:
        """Between which of our candidates and which address packets go; None without a selected pair."""
        remote = self._ice.selected
        if remote is None:
            return None
        candidates = self._around.candidates  # one for each socket, in their order
        return candidates[min(self._socket, len(candidates) - 1)], remote

    def options(self) -> TransportOptions:
        """What the client needs to make its end."""
        fingerprint = DtlsFingerprint(algorithm="sha-256", value=self._around.certificate.fingerprint())
        return TransportOptions(
            id=self.id,
            ice_parameters=self.ice_parameters(),
            ice_candidates=self._around.candidates,
            dtls_parameters=DtlsParameters(role=DtlsRole.AUTO, fingerprints=(fingerprint,)),
        )

    def ice_parameters(self) -> IceParameters:
        """Our credentials in force."""
        credentials = self._ice.credentials
        return IceParameters(username_fragment=credentials.ufrag, password=credentials.password)

    def connect(self, parameters: DtlsParameters, now: float) -> None:
        """Take the peer's DTLS parameters; the handshake goes on or begins by itself.

        Raises:
            Conflict: they were given before.
            InvalidValue: no fingerprint that we can check.
        """
        if self._remote_parameters is not None:
            raise Conflict(f"transport '{self.id}' is connected already", slug="transport-already-connected")
        if not any(f.algorithm in FINGERPRINT_ALGORITHMS for f in parameters.fingerprints):
            raise InvalidValue("dtlsParameters.fingerprints is empty", slug="invalid-dtls-parameters")
        self._remote_parameters = parameters
        if self._ice.selected is not None:
            self._start_dtls(now)
        self._settle(now)

    def restart_ice(self) -> IceParameters:
        """Make new credentials; the old ones hold until a check with the new ones (RFC 8445 9)."""
        self._ice.restart(self._new_credentials())
        return self.ice_parameters()

    def close(self, now: float) -> None:
        """Say goodbye to the peer and send nothing any more. Idempotent."""
        if self._ice_state is IceState.CLOSED:
            return
        self._dtls.close(now)
        self._flush_dtls()
        self._ice.close()
        self._settle(now)

    # ---------------------------------------------------------------- packets in

    def receive_stun(self, data: bytes, socket: SocketId, source: Address, now: float) -> None:
        """Answer a check; afterwards `addresses` has all that are known to be the peer's.

        Raises:
            Malformed: it is no check, or a wrong one.
        """
        reply = self._ice.receive(data, source, now)
        if reply.refused is not None:
            if reply.response is not None:
                if not self._around.refusals.take(now):
                    raise Malformed("stun-refusals-limited")
                self._transmit_to(socket, reply.response, source)
            raise Malformed(reply.refused)
        if reply.response is not None:
            self._transmit_to(socket, reply.response, source)
        self.addresses[source] = socket
        self._forget_evicted()
        self._settle(now)
        if self._dtls.state is DtlsState.NEW:
            self._start_dtls(now)
            self._settle(now)

    def receive_dtls(self, data: bytes, source: Address, now: float) -> None:
        """Take in a DTLS datagram.

        Raises:
            Malformed: it is none.
        """
        if not self._ice.knows(source):
            raise Malformed("dtls-unknown-source")
        try:
            self._dtls.receive(data, now)
        finally:
            self._flush_dtls()
        self._settle(now)

    def receive_rtp(self, inbox: SrtpBuffer, length: int, now: float) -> bool:
        """Take in an SRTP packet from one of our addresses.

        Returns:
            True when it may have set a timer.

        Raises:
            Malformed: it does not decrypt, is not RTP, or is nobody's.
        """
        gate = self._srtp_in
        if gate is None or not self.up:
            raise Malformed("srtp-before-dtls")
        data = inbox.data
        session = self.session
        if session.knows(int.from_bytes(data[8:12], "big")):
            length = gate.unprotect_rtp(inbox, length)
        else:
            length = gate.unprotect_first_rtp(inbox, length)
        self.rtp_bytes_received += length
        return session.receive_rtp(data, length, now)

    def receive_rtcp(self, inbox: SrtpBuffer, length: int, now: float) -> None:
        """Take in an SRTCP packet from one of our addresses.

        Raises:
            Malformed: it does not decrypt or is not RTCP.
        """
        if self._srtp_in is None or not self.up:
            raise Malformed("srtcp-before-dtls")
        length = self._srtp_in.unprotect_rtcp(inbox, length)
        self.session.receive_rtcp(bytes(inbox.view[:length]), now)

    # ---------------------------------------------------------------- time

    def tick(self, now: float) -> None:
        """Do what is due at every gate."""
        self._ice.tick(now)
        self._forget_evicted()
        self._dtls.tick(now)
        self._flush_dtls()
        self._settle(now)
        self.session.tick(now)

    def deadline(self) -> float | None:
        """When `tick` has something to do."""
        due = [self._ice.deadline(), self._dtls.deadline(), self.session.deadline()]
        return min((at for at in due if at is not None), default=None)

    # ---------------------------------------------------------------- inside

    def _start_dtls(self, now: float) -> None:
        """As server, unless the peer said that it is the server (or leaves it to us); a waiting server may turn."""
        remote = self._remote_parameters
        role = EndpointRole.SERVER if remote is None or remote.role is DtlsRole.CLIENT else EndpointRole.CLIENT
        try:
            self._dtls.start(role, now)
        except Conflict:
            # The peer began as client before it told us that it is the server: its handshake stands.
            self.drops.count("dtls-role-settled")
        self._flush_dtls()

    def _forget_evicted(self) -> None:
        """The agent keeps a few paths only, and none without consent; so do we."""
        for address in [address for address in self.addresses if not self._ice.knows(address)]:
            del self.addresses[address]

    def _flush_dtls(self) -> None:
        remote = self._ice.selected
        for datagram in self._dtls.outgoing():
            if remote is not None:
                self._transmit_to(self._socket, datagram, remote)

    def _transmit_to(self, socket: SocketId, data: bytes, address: Address) -> None:
        self._count_control(len(data))
        self._around.transmit(socket, data, len(data), address)

    def _settle(self, now: float) -> None:
        """Work out what follows from the gates' states, and tell."""
        selected = self._ice.selected
        if selected is not None:
            self._remote = selected
            self._socket = self.addresses[selected]
        ice_state = self._ice.state
        if ice_state is not self._ice_state:
            self._ice_state = ice_state
            self._around.emit(
                IceStateChanged(router_id=self.router_id, transport_id=self.id, state=ice_state, remote=self.remote)
            )
        dtls_state = self._checked_dtls_state()
        if dtls_state is not self._dtls_state:
            self._dtls_state = dtls_state
            if dtls_state is DtlsState.CONNECTED:
                material = self._dtls.srtp_material()
                self._take_keys(material.profile, material.local_key_salt, material.remote_key_salt)
            self._around.emit(DtlsStateChanged(router_id=self.router_id, transport_id=self.id, state=dtls_state))
        self._set_up(selected is not None and dtls_state is DtlsState.CONNECTED, now)

    def _checked_dtls_state(self) -> DtlsState:
        """The endpoint's state, where `connected` waits for the fingerprint and `failed` follows from a wrong one."""
        state = self._dtls.state
        if state is not DtlsState.CONNECTED:
            return state
        if self._remote_parameters is None:
            return DtlsState.CONNECTING
        matches = _matches(self._dtls, self._remote_parameters.fingerprints)
        return DtlsState.CONNECTED if matches else DtlsState.FAILED


def _matches(endpoint: DtlsEndpoint, fingerprints: Sequence[DtlsFingerprint]) -> bool:
    """Whether the peer's certificate has one of the fingerprints (RFC 8122 6.2)."""
    return any(endpoint.verify(f.algorithm, f.value) for f in fingerprints)
