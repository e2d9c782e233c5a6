"""What forwarding a packet costs: the engine with real sockets against a loop that does only what cannot be left out.

The engine reads RTP of 1200 bytes from a loopback socket and sends it to N consumers, SRTP (AEAD_AES_256_GCM, which our
handshakes choose) on both sides. The calibration loop rewrites a header, protects in place and sends, nothing else.
CPU time is that of the engine's part alone: making input and emptying the consumers' sockets are outside of it.

The case with loss is video with NACK and RTX: 2 % of the sender's packets come as RTX, and each consumer asks for 2 %
of what it is sent; all of it counts, per RTP packet that leaves.

The case of simulcast: three encodings come, each consumer is sent one of them, in VP8 with temporal layers.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import select
import socket
import statistics
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from labsfu.core.outputs import Address
from labsfu.core.rtcp.nack import Nack
from labsfu.core.srtp.buffer import SrtpBuffer
from labsfu.core.srtp.session import SrtpSender
from labsfu.shell.udp import UdpSender, bind_udp
from labsfu.wire.commands import Consumed, Counted, GetCounts
from tests.support.lab import Lab, Peer, check
from tests.support.layers import Layer, simulcast_parameters
from tests.support.media import (
    DELTA_FRAME,
    KEY_FRAME,
    audio_packet,
    audio_parameters,
    consume,
    header_of,
    produce,
    repaired_video_parameters,
    rtx_packet,
    ssrc_of,
    video_packet,
)

Datagram: TypeAlias = tuple[Address, bytes]
"""Whose, and what."""

PACKET_BYTES = 1200
BATCH = 16
CLEAN, LOSSY, SIMULCAST = "clean", "2% loss", "simulcast"
PARAMETERS = {
    CLEAN: audio_parameters(),
    LOSSY: repaired_video_parameters(),
    SIMULCAST: simulcast_parameters(mode="L1T2"),
}
LOSS_EVERY = 50
"""One packet in so many is lost: 2 %."""


@dataclass(frozen=True, slots=True)
class Result:
    """Medians over the rounds. `ratio` is engine by calibration of the same round."""

    case: str
    consumers: int
    engine_us: float
    calibration_us: float
    ratio: float
    packets_per_second: int
    unsent: int


class SocketLab(Lab):
    """A lab whose engine sends through a real socket, to peers that have real ones."""

    def __init__(self) -> None:
        self.socket = bind_udp("127.0.0.1", 0)
        self.sender = UdpSender([self.socket])
        self.sockets: dict[Address, socket.socket] = {}
        self.checks_at = 0.0
        super().__init__(transmit=self.sender)

    def new_address(self, port: int) -> Address:
        sock = bind_udp("127.0.0.1", 0)
        address: Address = sock.getsockname()
        self.sockets[address] = sock
        return address

    def pass_time(self, seconds: float) -> None:
        """Go on; every so often each peer shows that it is there still (RFC 7675)."""
        self.now += seconds
        if self.now >= self.checks_at:
            self.checks_at = self.now + 10
            for address, peer in self.peers.items():
                if peer.options is not None:
                    self.engine.receive(check(peer.options), address, 0, self.now)

    def close(self) -> None:
        """Close all sockets."""
        for sock in (self.socket, *self.sockets.values()):
            sock.close()

    def pump(self) -> None:
        moved = True
        while moved:
            super().pump()
            moved = False
            for address, sock in self.sockets.items():
                try:
                    data = sock.recv(2048)
                except BlockingIOError:
                    continue
                moved = True
                self.peers[address].deliver(data)


def drain_in_child(sockets: list[socket.socket]) -> int:
    """Fork a process that empties the sockets until it is ended; its id."""
    child = os.fork()
    if child:
        return child
    poll = select.epoll()
    for sock in sockets:
        poll.register(sock, select.EPOLLIN)
    by_number = {sock.fileno(): sock for sock in sockets}
    buffer = bytearray(2048)
    while True:
        for number, _ in poll.poll():
            try:
                while True:
                    by_number[number].recv_into(buffer)
            except BlockingIOError:
                continue


def measure_engine(lab: SocketLab, feed: Iterator[Datagram], datagrams: int) -> float:
    """CPU seconds that the engine takes for that many datagrams in."""
    engine, inbox, read = lab.engine, lab.engine.inbox.view, lab.socket.recvfrom_into
    target = lab.socket.getsockname()
    spent = 0.0
    done = 0
    while done < datagrams:
        for _ in range(BATCH):
            source, data = next(feed)
            lab.sockets[source].sendto(data, target)
        lab.pass_time(BATCH / 1000)
        begin = time.process_time()
        for _ in range(BATCH):
            length, address = read(inbox)
            engine.received(length, address, 0, lab.now)
        engine.tick(lab.now)
        engine.drain()
        spent += time.process_time() - begin
        done += BATCH
    return spent


def audio_feed(source: Peer) -> Iterator[Datagram]:
    """A stream that nothing happens to."""
    payload = bytes(PACKET_BYTES - 24)
    for number in itertools.count(1):
        packet = audio_packet(number & 0xFFFF, payload, timestamp=number * 960 & 0xFFFFFFFF)
        yield source.address, source.protect(packet)


def lossy_feed(lab: SocketLab, source: Peer, receivers: Sequence[tuple[Peer, Consumed]]) -> Iterator[Datagram]:
    """Video of which one packet in fifty comes as RTX, and NACKs of each receiver for one in fifty."""
    filler = bytes(PACKET_BYTES - 24 - len(DELTA_FRAME))
    source.send_rtp(video_packet(0, KEY_FRAME))
    lab.pump()
    first = {peer.address: header_of(peer.rtp[0]).sequence_number for peer, _ in receivers}
    for number in itertools.count(1):
        if number % LOSS_EVERY:
            yield source.address, source.protect(video_packet(number & 0xFFFF, DELTA_FRAME + filler))
        if number > LOSS_EVERY and number % LOSS_EVERY == 20:  # 20 ms late, so that it was asked for
            lost = number // LOSS_EVERY * LOSS_EVERY & 0xFFFF
            packet = rtx_packet(number // LOSS_EVERY & 0xFFFF, lost, DELTA_FRAME + filler)
            yield source.address, source.protect(packet)
        for place, (peer, consumed) in enumerate(receivers):
            if number > LOSS_EVERY and number % LOSS_EVERY == place % LOSS_EVERY:
                missing = first[peer.address] + number - 5 & 0xFFFF
                yield peer.address, peer.protect_rtcp(Nack(1, ssrc_of(consumed), (missing,)))


def simulcast_feed(lab: SocketLab, source: Peer) -> Iterator[Datagram]:
    """Three encodings, two temporal layers in each; the highest is sent on, once everybody has gone over to it."""
    layers = [Layer(source, index) for index in range(3)]
    filler = bytes(PACKET_BYTES - 60)
    for _ in range(10):
        for layer in layers:
            for packet in layer.frame(key=True, parts=1):
                source.send_rtp(packet)
        lab.advance(0.05)
    for number in itertools.count():
        for layer in layers:
            for packet in layer.frame(parts=1, tid=number % 2):
                yield source.address, source.protect(packet + filler)


def measure_calibration(sock: socket.socket, targets: list[Address], packets: int) -> float:
    """CPU seconds for `packets` times: header, protect in place, sendto."""
    sender = SrtpSender("AEAD_AES_256_GCM", bytes(44))
    buffer = SrtpBuffer()
    view, send, stamp, protect = buffer.view, sock.sendto, struct.Struct("!BBHII").pack_into, sender.protect_rtp
    data = buffer.data
    begin = time.process_time()
    count = len(targets)
    for number in range(packets):
        stamp(data, 0, 0x80, 111, number & 0xFFFF, number * 960 & 0xFFFFFFFF, 4242)
        length = protect(buffer, PACKET_BYTES)
        try:  # noqa: SIM105 - `suppress` costs time, and this loop must have none to spare
            send(view[:length], targets[number % count])
        except BlockingIOError:
            pass
    return time.process_time() - begin


def run(case: str, consumers: int, rounds: int, forwarded: int) -> Result:
    """Measure one case; engine and calibration in turn, so that both meet the same machine."""
    lab = SocketLab()
    source, upstream = lab.connected_peer()
    producer = produce(lab, upstream, PARAMETERS[case])
    peers = [lab.connected_peer() for _ in range(consumers)]
    receivers = [(peer, consume(lab, transport, producer)) for peer, transport in peers]
    if case == SIMULCAST:
        feed = simulcast_feed(lab, source)
    else:
        feed = lossy_feed(lab, source, receivers) if case == LOSSY else audio_feed(source)
    warm_up = [next(feed)]  # who feeds may have to look at what came, before it is drained unseen
    targets = [peer.address for peer, _ in receivers]
    child = drain_in_child([lab.sockets[target] for target in targets])
    feed = itertools.chain(warm_up, feed)

    engine_us, calibration_us, rates = [], [], []
    try:
        datagrams = max(BATCH * 4, forwarded // consumers)
        measure_engine(lab, feed, BATCH * 8)
        for _ in range(rounds):
            before = sent_rtp(lab)
            spent = measure_engine(lab, feed, datagrams)
            total = sent_rtp(lab) - before
            engine_us.append(spent / total * 1e6)
            rates.append(total / spent)
            calibration_us.append(measure_calibration(lab.socket, targets, total) / total * 1e6)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        lab.close()
    return Result(
        case=case,
        consumers=consumers,
        engine_us=round(statistics.median(engine_us), 2),
        calibration_us=round(statistics.median(calibration_us), 2),
        ratio=round(statistics.median(e / c for e, c in zip(engine_us, calibration_us, strict=True)), 2),
        packets_per_second=round(statistics.median(rates)),
        unsent=lab.sender.unsent,
    )


def sent_rtp(lab: SocketLab) -> int:
    """RTP packets that the engine has sent, those that it sent again among them."""
    counted = lab.engine.execute(GetCounts(), lab.now)
    assert isinstance(counted, Counted)
    return counted.counts.forwarded_packets


def main() -> None:
    """Run and print a table, and JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--forwarded", type=int, default=20_000, help="packets out in each round")
    parser.add_argument("--json", metavar="FILE", help="write the results there as well")
    options = parser.parse_args()
    results = []
    sys.stdout.write("case       consumers  engine µs/packet  calibration µs/packet  ratio  packets/s of CPU  unsent\n")
    for case, consumers in ((CLEAN, 1), (CLEAN, 10), (CLEAN, 50), (LOSSY, 50), (SIMULCAST, 50)):
        result = run(case, consumers, options.rounds, options.forwarded)
        results.append(result)
        sys.stdout.write(
            f"{result.case:9}  {result.consumers:9}  {result.engine_us:16.2f}"
            f"  {result.calibration_us:21.2f}  {result.ratio:5.2f}"
            f"  {result.packets_per_second:16,}  {result.unsent:6}\n"
        )
        sys.stdout.flush()
    if options.json:
        Path(options.json).write_text(json.dumps([asdict(result) for result in results], indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
