"""Two of our endpoints reach each other: with loss, in small datagrams, under garbage, and not for ever."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from itertools import product

import pytest

from labsfu.core.dtls.certificate import generate_certificate
from labsfu.core.dtls.endpoint import DtlsEndpoint
from labsfu.core.dtls.records import renumber_plain
from labsfu.core.dtls.retransmission import HANDSHAKE_TIMEOUT
from labsfu.core.dtls.state import TRANSITIONS, DtlsInput, DtlsRole
from labsfu.errors import Conflict, Malformed
from labsfu.wire.transport import DtlsState

VALIDITY = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
CERTIFICATES = [generate_certificate(*VALIDITY) for _ in range(2)]


class Pair:
    """A client and a server of ours, joined by a network that loses a share of all datagrams."""

    def __init__(self, *, loss: float = 0.0, seed: int = 0, mtu: int = 1200, shuffled: bool = False) -> None:
        self.client = DtlsEndpoint(CERTIFICATES[0], mtu)
        self.server = DtlsEndpoint(CERTIFICATES[1], mtu)
        self.now = 1000.0
        self._shuffled = shuffled
        self._loss = loss
        self._random = random.Random(seed)
        self.sizes: list[int] = []

    def start(self) -> None:
        self.server.start(DtlsRole.SERVER, self.now)
        self.client.start(DtlsRole.CLIENT, self.now)

    def carry(self) -> None:
        """Move datagrams until nobody has more to say."""
        moved = True
        while moved:
            moved = False
            for sender, receiver in ((self.client, self.server), (self.server, self.client)):
                datagrams = sender.outgoing()
                if self._shuffled:
                    self._random.shuffle(datagrams)
                for datagram in datagrams:
                    moved = True
                    self.sizes.append(len(datagram))
                    if self._random.random() >= self._loss:
                        receiver.receive(datagram, self.now)

    @property
    def connected(self) -> bool:
        return self.client.state is self.server.state is DtlsState.CONNECTED

    def run(self, seconds: float = HANDSHAKE_TIMEOUT) -> None:
        """Let time jump from deadline to deadline until both are connected."""
        end = self.now + seconds
        self.carry()
        while not self.connected and self.now < end:
            deadlines = [d for d in (self.client.deadline(), self.server.deadline()) if d is not None]
            if not deadlines:
                return
            assert min(deadlines) > self.now
            self.now = min(deadlines)
            self.client.tick(self.now)
            self.server.tick(self.now)
            self.carry()


@pytest.mark.rfc("RFC 6347 4.2", "RFC 5764 4.1", "RFC 5764 4.2", "RFC 8122 5")
def test_both_ends_agree_on_the_best_profile_on_keys_and_on_fingerprints() -> None:
    pair = Pair()
    pair.start()
    pair.carry()
    assert pair.connected
    ours, theirs = pair.client.srtp_material(), pair.server.srtp_material()
    assert ours.profile == theirs.profile == "AEAD_AES_256_GCM"
    assert ours.local_key_salt == theirs.remote_key_salt
    assert ours.remote_key_salt == theirs.local_key_salt
    assert ours.local_key_salt != ours.remote_key_salt
    assert len(ours.local_key_salt) == 44
    for algorithm in ("sha-1", "sha-224", "sha-256", "sha-384", "sha-512"):
        assert pair.client.verify(algorithm, CERTIFICATES[1].fingerprint(algorithm))
        assert pair.server.verify(algorithm.upper(), CERTIFICATES[0].fingerprint(algorithm).lower())
        assert not pair.server.verify(algorithm, CERTIFICATES[1].fingerprint(algorithm))
    assert not pair.client.verify("md5", "AA")
    assert pair.client.remote_fingerprints["sha-256"] == CERTIFICATES[1].fingerprint()
    assert pair.client.deadline() is None
    assert pair.server.deadline() is None


def test_nothing_is_known_of_the_peer_before_the_handshake_is_complete() -> None:
    endpoint = DtlsEndpoint(CERTIFICATES[0])
    assert not endpoint.verify("sha-256", CERTIFICATES[0].fingerprint())
    assert endpoint.remote_fingerprints == {}
    with pytest.raises(Conflict):
        endpoint.srtp_material()


@pytest.mark.rfc("RFC 6347 4.2.4")
@pytest.mark.parametrize("mtu", [1200, 256])
@pytest.mark.parametrize("seed", range(40))
def test_handshake_completes_under_thirty_percent_loss_on_told_time(seed: int, mtu: int) -> None:
    pair = Pair(loss=0.3, seed=seed, mtu=mtu)
    pair.start()
    pair.run()
    assert pair.connected, (pair.client.state, pair.server.state, pair.now)
    assert pair.client.srtp_material().local_key_salt == pair.server.srtp_material().remote_key_salt


@pytest.mark.rfc("RFC 6347 4.2.4", "RFC 6347 4.2.8")
@pytest.mark.parametrize("seed", range(20))
def test_flights_that_arrive_in_any_order_complete_the_handshake(seed: int) -> None:
    pair = Pair(mtu=256, seed=seed, shuffled=True)
    pair.start()
    pair.run()
    assert pair.connected


@pytest.mark.rfc("RFC 6347 4.1.1", "RFC 6347 4.2.3")
@pytest.mark.parametrize("mtu", [1200, 400, 256])
def test_no_datagram_is_larger_than_the_mtu(mtu: int) -> None:
    pair = Pair(mtu=mtu)
    pair.start()
    pair.run()
    assert pair.connected
    assert max(pair.sizes) <= mtu


def unnumbered(datagrams: list[bytes]) -> list[bytes]:
    """The datagrams without the numbers of their plain records."""
    return [renumber_plain(datagram, 0)[0] for datagram in datagrams]


@pytest.mark.rfc("RFC 6347 4.2.4", "RFC 6347 4.1.2.6")
def test_a_client_hello_is_sent_again_at_100_ms_doubling_to_4_s_until_30_s_and_looks_fresh() -> None:
    client = DtlsEndpoint(CERTIFICATES[0])
    client.start(DtlsRole.CLIENT, 0.0)
    first = client.outgoing()
    sent, sent_at = list(first), []
    while (now := client.deadline()) is not None:
        client.tick(now)
        datagrams = client.outgoing()
        if datagrams:
            assert unnumbered(datagrams) == first
            sent.extend(datagrams)
            sent_at.append(now)
    assert sent_at == pytest.approx([0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 10.3, 14.3, 18.3, 22.3, 26.3])
    assert len(set(sent)) == len(sent)
    assert (client.state, client.failure, now) == (DtlsState.FAILED, "dtls-handshake-timeout", None)


def test_a_waiting_server_never_gives_up() -> None:
    server = DtlsEndpoint(CERTIFICATES[0])
    server.start(DtlsRole.SERVER, 0.0)
    server.tick(1000.0)
    assert server.state is DtlsState.CONNECTING
    assert server.deadline() is None


@pytest.mark.rfc("RFC 6347 4.2.4")
def test_a_server_whose_last_flight_was_lost_answers_a_verbatim_copy_but_not_without_end() -> None:
    pair = Pair()
    pair.start()
    for datagram in pair.client.outgoing():
        pair.server.receive(datagram, 0.0)
    for datagram in pair.server.outgoing():
        pair.client.receive(datagram, 0.0)
    last = pair.client.outgoing()
    for datagram in last:
        pair.server.receive(datagram, 0.0)
    lost = pair.server.outgoing()
    assert pair.server.state is DtlsState.CONNECTED
    assert pair.client.state is DtlsState.CONNECTING
    answers = []
    for step in range(10):
        pair.server.receive(last[-1], 1.0 + step / 100)
        answers.append(unnumbered(pair.server.outgoing()))
    assert answers == [unnumbered(lost), [], [], [], []] * 2
    for datagram in lost:
        pair.client.receive(datagram, 1.0)
    assert pair.connected


@pytest.mark.rfc("RFC 6347 4.1.2.7")
@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_garbage_at_any_moment_is_malformed_or_without_effect(after: int) -> None:
    pair = Pair()
    pair.start()
    noise = random.Random(after)
    for step in range(4):
        if step == after:
            for endpoint in (pair.client, pair.server):
                _throw_garbage(endpoint, noise, pair.now)
        for sender, receiver in ((pair.client, pair.server), (pair.server, pair.client)):
            for datagram in sender.outgoing():
                receiver.receive(datagram, pair.now)
    assert pair.connected


def _throw_garbage(endpoint: DtlsEndpoint, noise: random.Random, now: float) -> None:
    for size in (1, 13, 14, 40, 200, 1200):
        for first in (20, 21, 22, 23, 40, 63):
            with pytest.raises(Malformed):
                endpoint.receive(bytes([first]) + noise.randbytes(size - 1), now)
    for content_type in (20, 21, 22, 23):  # well-formed records under a key that nobody has
        body = noise.randbytes(60)
        header = bytes([content_type]) + b"\xfe\xfd\x00\x01" + bytes(5) + bytes([noise.randrange(256)]) + b"\x00\x3c"
        endpoint.receive(header + body, now)


def test_a_plain_alert_cannot_end_a_finished_session() -> None:
    pair = Pair()
    pair.start()
    pair.carry()
    for endpoint in (pair.client, pair.server):
        for description in (0, 40):
            endpoint.receive(b"\x15\xfe\xfd" + bytes(6) + b"\x00\x33\x00\x02\x02" + bytes([description]), pair.now)
    assert pair.connected


@pytest.mark.rfc("RFC 5246 7.2.1")
@pytest.mark.parametrize("closer", ["client", "server"])
def test_close_tells_the_peer_who_closes_too(closer: str) -> None:
    pair = Pair()
    pair.start()
    pair.carry()
    ours, theirs = (pair.client, pair.server) if closer == "client" else (pair.server, pair.client)
    ours.close(pair.now)
    assert ours.state is DtlsState.CLOSED
    pair.now += 1
    farewell = ours.outgoing()
    assert len(farewell) == 1
    theirs.receive(farewell[0], pair.now)
    assert theirs.state is DtlsState.CLOSED
    ours.close(pair.now)
    assert ours.outgoing() == []
    with pytest.raises(Malformed, match="dtls-not-open"):
        ours.receive(farewell[0], pair.now)


def test_a_closed_endpoint_cannot_start_and_one_that_never_started_takes_nothing() -> None:
    endpoint = DtlsEndpoint(CERTIFICATES[0])
    with pytest.raises(Malformed, match="dtls-not-open"):
        endpoint.receive(b"\x16", 0.0)
    endpoint.tick(1.0)
    endpoint.close(0.0)
    assert endpoint.state is DtlsState.CLOSED
    with pytest.raises(Conflict):
        endpoint.start(DtlsRole.CLIENT, 0.0)


@pytest.mark.rfc("RFC 8842 5.3")
def test_a_waiting_server_can_still_become_the_client() -> None:
    pair = Pair()
    pair.client.start(DtlsRole.SERVER, pair.now)
    pair.client.start(DtlsRole.SERVER, pair.now)
    with pytest.raises(Malformed):
        pair.client.receive(b"\x16\xfe\xfdnoise", pair.now)
    pair.start()
    assert pair.client.role is DtlsRole.CLIENT
    pair.carry()
    assert pair.connected


def test_the_role_is_settled_once_a_client_hello_was_sent_or_heard() -> None:
    pair = Pair()
    pair.start()
    for datagram in pair.client.outgoing():
        pair.server.receive(datagram, pair.now)
    with pytest.raises(Conflict):
        pair.server.start(DtlsRole.CLIENT, pair.now)
    with pytest.raises(Conflict):
        pair.client.start(DtlsRole.SERVER, pair.now)


def test_the_table_has_no_way_out_of_closed_and_closes_everything() -> None:
    for state, input_ in product(DtlsState, DtlsInput):
        target = TRANSITIONS.get((state, input_))
        if input_ is DtlsInput.CLOSE:
            assert target is DtlsState.CLOSED
        elif state is DtlsState.CLOSED or state is DtlsState.FAILED:
            assert target is None
