"""What forwarding a packet costs: the engine with real sockets against a loop that does only what cannot be left out.

The engine reads RTP of 1200 bytes from a loopback socket and sends it to N consumers, SRTP (AEAD_AES_256_GCM, which our
handshakes choose) on both sides. The calibration loop rewrites a header, protects in place and sends, nothing else.
CPU time is that of the engine's part alone: making input and emptying the consumers' sockets are outside of it.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import statistics
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from labsfu.core.outputs import Address
from labsfu.core.srtp.buffer import SrtpBuffer
from labsfu.core.srtp.session import SrtpSender
from labsfu.shell.udp import UdpSender, bind_udp
from labsfu.wire.ids import TransportId
from tests.support.lab import Lab, Peer
from tests.support.media import audio_packet, audio_parameters, consume, produce

PACKET_BYTES = 1200
BATCH = 16


@dataclass(frozen=True, slots=True)
class Result:
    """Medians over the rounds. `ratio` is engine by calibration of the same round."""

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
        super().__init__(transmit=self.sender)

    def new_address(self, port: int) -> Address:
        sock = bind_udp("127.0.0.1", 0)
        address: Address = sock.getsockname()
        self.sockets[address] = sock
        return address

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


def measure_engine(lab: SocketLab, source: Peer, next_packet: Callable[[], bytes], packets: int) -> float:
    """CPU seconds that the engine takes for that many packets in."""
    engine, inbox, read = lab.engine, lab.engine.inbox.view, lab.socket.recvfrom_into
    target = lab.socket.getsockname()
    feed = lab.sockets[source.address]
    spent = 0.0
    done = 0
    while done < packets:
        batch = [next_packet() for _ in range(BATCH)]
        for datagram in batch:
            feed.sendto(datagram, target)
        begin = time.process_time()
        for _ in batch:
            length, address = read(inbox)
            engine.received(length, address, 0, lab.now)
        engine.drain()
        spent += time.process_time() - begin
        done += BATCH
    return spent


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


def run(consumers: int, rounds: int, forwarded: int) -> Result:
    """Measure one number of consumers; engine and calibration in turn, so that both meet the same machine."""
    lab = SocketLab()
    source, upstream = lab.connected_peer()
    producer = produce(lab, upstream, audio_parameters())
    receivers: list[tuple[Peer, TransportId]] = [lab.connected_peer() for _ in range(consumers)]
    for _, transport in receivers:
        consume(lab, transport, producer)
    targets = [peer.address for peer, _ in receivers]
    child = drain_in_child([lab.sockets[target] for target in targets])
    payload = bytes(PACKET_BYTES - 24)
    sequence = iter(range(1, 1 << 30))

    def protected() -> bytes:
        number = next(sequence)
        return source.protect(audio_packet(number & 0xFFFF, payload, timestamp=number * 960 & 0xFFFFFFFF))

    engine_us, calibration_us, rates = [], [], []
    try:
        packets = max(BATCH * 4, forwarded // consumers)
        measure_engine(lab, source, protected, BATCH * 8)
        for _ in range(rounds):
            spent = measure_engine(lab, source, protected, packets)
            total = -(-packets // BATCH) * BATCH * consumers
            engine_us.append(spent / total * 1e6)
            rates.append(total / spent)
            calibration_us.append(measure_calibration(lab.socket, targets, total) / total * 1e6)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        lab.close()
    return Result(
        consumers=consumers,
        engine_us=round(statistics.median(engine_us), 2),
        calibration_us=round(statistics.median(calibration_us), 2),
        ratio=round(statistics.median(e / c for e, c in zip(engine_us, calibration_us, strict=True)), 2),
        packets_per_second=round(statistics.median(rates)),
        unsent=lab.sender.unsent,
    )


def main() -> None:
    """Run and print a table, and JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--forwarded", type=int, default=20_000, help="packets out in each round")
    parser.add_argument("--json", metavar="FILE", help="write the results there as well")
    options = parser.parse_args()
    results = []
    sys.stdout.write("consumers  engine µs/packet  calibration µs/packet  ratio  packets/s of CPU  unsent\n")
    for consumers in (1, 10, 50):
        result = run(consumers, options.rounds, options.forwarded)
        results.append(result)
        sys.stdout.write(
            f"{result.consumers:9}  {result.engine_us:16.2f}  {result.calibration_us:21.2f}  {result.ratio:5.2f}"
            f"  {result.packets_per_second:16,}  {result.unsent:6}\n"
        )
        sys.stdout.flush()
    if options.json:
        Path(options.json).write_text(json.dumps([asdict(result) for result in results], indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
