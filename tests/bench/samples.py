"""What it costs to tell watchers how things stand: an engine with a thousand consumers, and one sample a second.

Each second that is four looks at all counters (of which bitrates are made), and one sample: the engine's counts, its
answer, and the JSON. All of it in CPU time, with the garbage collector as it is in a server, and without it. The
share of a core is at one sample a second; whoever watches more often, or not together with others, costs more.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from labsfu.core.forwarding.rate_window import INTERVAL
from labsfu.wire import commands
from labsfu.wire.base import to_json
from labsfu.wire.feed import Measurement
from labsfu.wire.rtp import RtpParameters
from tests.support.lab import Lab
from tests.support.media import audio_packet, audio_parameters, consume, produce

CONSUMERS = 1000
PRODUCERS = 25
LOOKS = round(1 / INTERVAL)


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU milliseconds, mean of the rounds.

    Attributes:
        transports: how many the consumers are spread over.
        look: at all counters, once.
        counts: what there is in all.
        sample: the engine's answer.
        encode: its JSON, of so many `octets`.
        collecting: of the above, in a second, what the garbage collector adds.
    """

    consumers: int
    transports: int
    look: float
    counts: float
    sample: float
    encode: float
    octets: int
    collecting: float

    @property
    def share(self) -> float:
        """Of a core, at one sample a second."""
        return (LOOKS * self.look + self.counts + self.sample + self.encode + self.collecting) / 1000


def crowd(consumers: int, transports: int) -> Lab:
    """An engine that forwards a few producers to consumers on so many transports; all of them have flowed."""
    lab = Lab()
    peers = [lab.connected_peer() for _ in range(transports)]
    count = min(PRODUCERS, consumers)
    sources = [(peers[n % transports][0], 1000 + n) for n in range(count)]
    made = [produce(lab, peers[n % transports][1], _parameters(1000 + n)) for n in range(count)]
    for number in range(consumers):
        consume(lab, peers[number // count % transports][1], made[number % count])
    for number in range(30):
        for peer, ssrc in sources:
            peer.send_rtp(audio_packet(number, ssrc=ssrc))
        lab.advance(0.1)
    return lab


def measure(consumers: int, transports: int, rounds: int) -> Cost:
    """Measure one engine."""
    lab = crowd(consumers, transports)
    engine = lab.engine
    counted, sampled = commands.GetCounts(), commands.GetSamples()

    def look() -> None:
        engine._sampler._sample(lab.now)

    def counts() -> None:
        engine.execute(counted, lab.now)

    def sample() -> None:
        engine.execute(sampled, lab.now)

    answer = engine.execute(sampled, lab.now)
    assert isinstance(answer, commands.Sampled)
    found = answer.sample
    assert len(found.consumers) == consumers
    assert all(consumer.packet_count for consumer in found.consumers)

    def encode() -> bytes:
        return to_json(
            Measurement(
                at=0,
                workers=(),
                transports=found.transports,
                producers=found.producers,
                consumers=found.consumers,
            )
        )

    parts: tuple[Callable[[], object], ...] = (look, look, look, look, counts, sample, encode)
    gc.disable()
    try:
        one_look, one_count, one_sample, one_encoding = (_cpu(part, rounds) for part in parts[3:])
    finally:
        gc.enable()
    second = _cpu(lambda: [part() for part in parts], rounds)
    without = LOOKS * one_look + one_count + one_sample + one_encoding
    return Cost(
        consumers=consumers,
        transports=transports,
        look=one_look,
        counts=one_count,
        sample=one_sample,
        encode=one_encoding,
        octets=len(encode()),
        collecting=max(0.0, second - without),
    )


def _parameters(ssrc: int) -> RtpParameters:
    return audio_parameters(ssrc=ssrc, mid=f"m{ssrc}")


def _cpu(part: Callable[[], object], rounds: int) -> float:
    spent = []
    for _ in range(rounds):
        begin = time.process_time()
        part()
        spent.append((time.process_time() - begin) * 1000)
    return statistics.mean(spent)


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args()
    sys.stdout.write("consumers  transports  look ms  counts ms  sample ms  encode ms  bytes    gc ms  core at 1 Hz\n")
    for transports in (40, 250):
        cost = measure(CONSUMERS, transports, options.rounds)
        sys.stdout.write(
            f"{cost.consumers:9}  {cost.transports:10}  {cost.look:7.2f}  {cost.counts:9.2f}  {cost.sample:9.2f}"
            f"  {cost.encode:9.2f}  {cost.octets:7,}  {cost.collecting:5.2f}  {cost.share:12.2%}\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
