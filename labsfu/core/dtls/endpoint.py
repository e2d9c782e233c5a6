"""One end of a DTLS association over OpenSSL's memory BIOs: datagrams in and out, time told (RFC 6347, RFC 5764).

What is not told is OpenSSL's own clock and randomness, which act inside a handshake only.

A record that OpenSSL has seen it drops as a replay, even if it could not use it then (a ChangeCipherSpec that came
too early). So plain records get a number of ours whenever they leave, and a flight that we repeat is fresh to the peer.
Only the Finished is repeated as it was; OpenSSL's own re-sends, which go out too, when its clock says so, renew it.
"""

from __future__ import annotations

from contextlib import suppress

from OpenSSL import SSL, crypto

from labsfu.core.dtls.certificate import FINGERPRINT_ALGORITHMS, DtlsCertificate, fingerprint_of
from labsfu.core.dtls.context import context_for
from labsfu.core.dtls.records import check_incoming, pack_datagrams, renumber_plain
from labsfu.core.dtls.retransmission import FlightTimer
from labsfu.core.dtls.srtp_material import EXPORTER_LABEL, OPENSSL_PROFILES, SrtpMaterial, split_material
from labsfu.core.dtls.state import TRANSITIONS, DtlsInput, DtlsRole
from labsfu.errors import Conflict, Malformed
from labsfu.wire.transport import DtlsState

MTU = 1200
_BIO_CHUNK = 16384


class DtlsEndpoint:
    """The DTLS side of one transport. Datagrams to send pile up in `outgoing()`, to be drained after every call.

    Args:
        certificate: ours.
        mtu: most bytes in a datagram.
    """

    __slots__ = (
        "_certificate", "_connection", "_heard", "_material", "_mtu", "_next_record", "_openssl_due", "_outgoing",
        "_peer", "_role", "_state", "_timer", "failure",
    )  # fmt: skip

    def __init__(self, certificate: DtlsCertificate, mtu: int = MTU) -> None:
        # given
        self._certificate = certificate
        self._mtu = mtu
        # owned
        self._state = DtlsState.NEW
        self._role: DtlsRole | None = None
        self._connection: SSL.Connection | None = None
        self._timer = FlightTimer()
        self._outgoing: list[bytes] = []
        self._next_record = 0
        self._heard = False
        self._openssl_due: float | None = None
        # derived from a finished handshake
        self._peer: dict[str, str] = {}
        self._material: SrtpMaterial | None = None
        self.failure: str | None = None
        """Why the state is failed: a stable kebab-case reason."""

    @property
    def state(self) -> DtlsState:
        """Where we stand; see `labsfu.core.dtls.state`."""
        return self._state

    @property
    def role(self) -> DtlsRole | None:
        """The role given by `start`."""
        return self._role

    @property
    def remote_fingerprints(self) -> dict[str, str]:
        """Fingerprints of the peer's certificate by algorithm; empty before the handshake is complete."""
        return dict(self._peer)

    def verify(self, algorithm: str, value: str) -> bool:
        """Whether the peer's certificate has this fingerprint (RFC 8122 5); False while there is no certificate."""
        known = self._peer.get(algorithm.lower())
        return known is not None and known == value.upper()

    def srtp_material(self) -> SrtpMaterial:
        """The keys for SRTP.

        Raises:
            Conflict: the handshake is not complete.
        """
        if self._material is None:
            raise Conflict("there are no SRTP keys before the DTLS handshake is complete")
        return self._material

    def start(self, role: DtlsRole, now: float) -> None:
        """Begin: as client with a ClientHello, as server by waiting for one.

        A server that has not heard a ClientHello may still become the client; the same role again changes nothing.

        Raises:
            Conflict: the role is settled otherwise, or the association is over.
        """
        if self._state is DtlsState.CONNECTING or self._state is DtlsState.CONNECTED:
            if role is self._role:
                return
            if self._role is DtlsRole.CLIENT or self._heard:
                raise Conflict("the DTLS role is settled")
        elif self._state is not DtlsState.NEW:
            raise Conflict(f"the DTLS association is {self._state.value}")
        self._role = role
        self._connection = SSL.Connection(context_for(self._certificate), None)
        self._connection.set_ciphertext_mtu(self._mtu)
        self._move(DtlsInput.START)
        if role is DtlsRole.SERVER:
            self._connection.set_accept_state()
        else:
            self._connection.set_connect_state()
            self._handshake(self._connection, now)

    def receive(self, data: bytes, now: float) -> None:
        """Take one datagram.

        Raises:
            Malformed: `dtls-…`; it was dropped and changed nothing.
        """
        connection = self._connection
        if connection is None or self._state not in {DtlsState.CONNECTING, DtlsState.CONNECTED}:
            raise Malformed("dtls-not-open")
        sender = DtlsRole.CLIENT if self._role is DtlsRole.SERVER else DtlsRole.SERVER
        is_handshake = check_incoming(data, sender)
        self._heard = True
        connection.bio_write(data)
        if self._state is DtlsState.CONNECTING:
            self._handshake(connection, now)
        else:
            self._read(connection)
            if is_handshake and self._role is DtlsRole.SERVER:
                self._answer_repetition(now)

    def outgoing(self) -> list[bytes]:
        """Take the datagrams that are to be sent."""
        datagrams, self._outgoing = self._outgoing, []
        return datagrams

    def tick(self, now: float) -> None:
        """Send again what is due, or give the handshake up."""
        connection = self._connection
        if connection is None or self._state is not DtlsState.CONNECTING:
            return
        if self._timer.expired(now):
            self._fail("dtls-handshake-timeout")
            return
        if connection.DTLSv1_get_timeout() == 0:
            self._let_openssl_resend(connection, now)
        elif self._timer.due(now):
            self._send(self._timer.flight)
        self._follow_openssl_clock(connection, now)

    def deadline(self) -> float | None:
        """When `tick` has something to do; None if never."""
        if self._state is not DtlsState.CONNECTING:
            return None
        ours = self._timer.deadline()
        return min(ours, self._openssl_due) if ours is not None and self._openssl_due is not None else ours

    def close(self, now: float) -> None:
        """Say goodbye (close_notify) if there is a peer. Idempotent."""
        del now  # every input of the machine takes the time; this one has no use for it
        if self._connection is not None and self._state is DtlsState.CONNECTED:
            with suppress(SSL.Error):  # then nobody is there to be told
                self._connection.shutdown()
            self._send(self._drain(self._connection))
        self._over(DtlsInput.CLOSE)

    def _handshake(self, connection: SSL.Connection, now: float) -> None:
        finished = False
        try:
            connection.do_handshake()
            finished = True
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            self._send(self._drain(connection))  # the alert that tells the peer
            self._fail(_reason(error))
            return
        flight = self._drain(connection)
        if flight:
            self._send(flight)
            self._timer.sent(flight, now, anew=True)
        if finished:
            self._finish(connection)
        else:
            self._follow_openssl_clock(connection, now)

    def _finish(self, connection: SSL.Connection) -> None:
        sizes = OPENSSL_PROFILES.get(connection.get_selected_srtp_profile())
        certificate = connection.get_peer_certificate()
        if sizes is None or certificate is None:
            self._fail("dtls-no-srtp-profile" if sizes is None else "dtls-no-certificate")
            return
        exported = connection.export_keying_material(EXPORTER_LABEL, 2 * (sizes.key + sizes.salt))
        self._material = split_material(exported, sizes, self._role or DtlsRole.SERVER)
        der = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
        self._peer = {algorithm: fingerprint_of(der, algorithm) for algorithm in FINGERPRINT_ALGORITHMS}
        self._timer.stop()
        self._openssl_due = None
        self._move(DtlsInput.FINISHED)
        self._read(connection)  # whatever came in the same datagram

    def _read(self, connection: SSL.Connection) -> None:
        """Let OpenSSL act on what came in; application data is not for us, so it is dropped."""
        try:
            while True:
                connection.recv(_BIO_CHUNK)
        except SSL.WantReadError:
            self._send(self._drain(connection))
        except SSL.ZeroReturnError:  # close_notify
            self._over(DtlsInput.CLOSE)
        except SSL.Error as error:
            self._send(self._drain(connection))
            self._fail(_reason(error))

    def _answer_repetition(self, now: float) -> None:
        """The client repeats its last flight, so it misses ours (RFC 6347 4.2.4).

        OpenSSL re-sends by itself when the records are fresh; when they are copies, it does not even look.
        """
        if self._state is DtlsState.CONNECTED and not self._outgoing and self._timer.may_answer(now):
            self._send(self._timer.flight)

    def _let_openssl_resend(self, connection: SSL.Connection, now: float) -> None:
        with suppress(SSL.Error):  # it has had enough; but our own timer decides when it is over
            connection.DTLSv1_handle_timeout()
        flight = self._drain(connection)
        if flight:  # the same messages as before in fresh records, so it takes their place
            self._send(flight)
            self._timer.sent(flight, now, anew=False)

    def _follow_openssl_clock(self, connection: SSL.Connection, now: float) -> None:
        remaining = connection.DTLSv1_get_timeout()
        self._openssl_due = None if remaining is None else now + remaining

    def _send(self, datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            fresh, self._next_record = renumber_plain(datagram, self._next_record)
            self._outgoing.append(fresh)

    def _drain(self, connection: SSL.Connection) -> list[bytes]:
        chunks: list[bytes] = []
        try:
            while True:
                chunks.append(connection.bio_read(_BIO_CHUNK))
        except SSL.WantReadError:
            return pack_datagrams(b"".join(chunks), self._mtu)

    def _fail(self, reason: str) -> None:
        self.failure = reason
        self._over(DtlsInput.FAILURE)

    def _over(self, input_: DtlsInput) -> None:
        self._timer.stop()
        self._openssl_due = None
        self._move(input_)

    def _move(self, input_: DtlsInput) -> None:
        self._state = TRANSITIONS[self._state, input_]


def _reason(error: SSL.Error) -> str:
    """OpenSSL's words as a stable name: `[('SSL routines', '', 'no shared cipher')]` is `dtls-no-shared-cipher`."""
    first = error.args[0] if error.args else None
    words = first[0][-1] if isinstance(first, list) and first else ""
    return "-".join(["dtls", *(words.split() or ["broken"])]).lower()
