"""The scores of a producer's streams and of a consumer, as they are told."""

from __future__ import annotations

from labsfu.core.forwarding.consumer import Consumer
from labsfu.core.forwarding.producer import Producer
from labsfu.core.forwarding.score import BEST
from labsfu.wire.sfu import ConsumerScore, ProducerScore


def producer_scores(producer: Producer) -> tuple[ProducerScore, ...]:
    """One for each stream that was heard, in the order of the encodings."""
    encodings = producer.terms.rtp_parameters.encodings
    return tuple(
        ProducerScore(
            encoding_idx=stream.encoding,
            ssrc=stream.ssrc,
            rid=encodings[stream.encoding].rid,
            score=producer.score_of(stream),
        )
        for stream in sorted(producer.streams.values(), key=lambda stream: stream.encoding)
    )


def consumer_score(consumer: Consumer, producer: Producer) -> ConsumerScore:
    """How a consumer is reached, and its producer's streams reach us; one that goes into a pipe has the best ones."""
    by_encoding = {stream.encoding: producer.score_of(stream) for stream in producer.streams.values()}
    each = tuple(by_encoding.get(i, 0) for i in range(len(producer.terms.rtp_parameters.encodings)))
    if consumer.piped:
        return ConsumerScore(score=BEST, producer_score=BEST, producer_scores=each)
    source = producer.source_of(consumer)
    return ConsumerScore(
        score=consumer.score.value,
        producer_score=0 if source is None else producer.score_of(source),
        producer_scores=each,
    )
