"""From what was asked to a producer or a consumer that works: where ORTC's dictionaries meet the media path."""

from __future__ import annotations

from labsfu.core.entropy import Entropy
from labsfu.core.forwarding.consumer import Consumer, ConsumerNames, RtxSender
from labsfu.core.forwarding.layered_consumer import LayeredConsumer
from labsfu.core.forwarding.layered_producer import LayeredProducer
from labsfu.core.forwarding.pipe_consumer import PipeConsumer, part_parameters
from labsfu.core.forwarding.producer import Producer, ProducerTerms
from labsfu.core.forwarding.router import Router
from labsfu.core.forwarding.vp8_rewriter import Vp8Rewriter
from labsfu.core.ortc.consume import get_consumer_rtp_parameters
from labsfu.core.ortc.mime import associated_payload_type, is_rtx
from labsfu.core.ortc.pipe import get_pipe_consumer_rtp_parameters, restrict_to_known
from labsfu.core.ortc.produce import get_consumable_rtp_parameters, get_producer_rtp_mapping, get_producer_type
from labsfu.core.ortc.scalability import parse_scalability_mode
from labsfu.core.ortc.validate import validate_rtp_parameters
from labsfu.core.transport.base import Transport
from labsfu.core.transport.pipe import PipeTransport
from labsfu.errors import Conflict, Unsupported
from labsfu.wire.base import ABSENT
from labsfu.wire.commands import Consume, ConsumeForPipe, Produce, ProduceFromPipe
from labsfu.wire.ids import ConsumerId, ProducerId
from labsfu.wire.rtp import MediaKind, ProducerType, RtpParameters, RtxParameters

# mediasoup draws an encoding's mapped SSRC from here (2.5); consumers never show it.
_LOWEST_SSRC, _HIGHEST_SSRC = 100_000_000, 999_999_998

# Below half of the space, so that losing the very first packets cannot lose a roll-over as well (RFC 3711 3.3.1).
_LOWEST_SEQUENCE, _HIGHEST_SEQUENCE = 1000, 32767


def make_producer(
    command: Produce | ProduceFromPipe,
    router: Router,
    transport: Transport,
    entropy: Entropy,
    *,
    created_at: int,
    id_: ProducerId | None = None,
) -> Producer:
    """Negotiate a producer; nothing is changed.

    Args:
        command: what was asked for.
        router: whose capabilities decide.
        transport: that will carry it.
        entropy: for ids and the like.
        created_at: epoch milliseconds.
        id_: an id that it has already; None makes one.

    Raises:
        InvalidValue: the RTP parameters contradict themselves.
        Unsupported: no codec in common, or a kind of stream that cannot be forwarded.
        Conflict: the transport has a producer with this MID or SSRC, or with this RID where no MID tells them apart.
    """
    parameters = validate_rtp_parameters(command.rtp_parameters, command.kind)
    base_ssrc = entropy.integer(_LOWEST_SSRC, _HIGHEST_SSRC)
    mapping = get_producer_rtp_mapping(parameters, router.rtp_capabilities, base_ssrc=base_ssrc)
    type_ = get_producer_type(parameters)
    if type_ is ProducerType.SVC:
        raise Unsupported(
            f"a producer of type '{type_}' cannot be forwarded yet: send encodings without spatial layers",
            slug="unsupported-producer-type",
        )
    for other in transport.session.producers.values():
        _check_distinct(other, parameters)
    terms = ProducerTerms(
        id=ProducerId(entropy.uuid()) if id_ is None else id_,
        participant_id=command.participant_id,
        kind=command.kind,
        type=type_,
        rtp_parameters=parameters,
        payload_types=dict(mapping.codecs),
        consumable=get_consumable_rtp_parameters(
            command.kind, parameters, router.rtp_capabilities, mapping, cname=_cname(parameters, transport, entropy)
        ),
        created_at=created_at,
    )
    producer = _new_producer(terms, command)
    if isinstance(command, ProduceFromPipe) and command.held:
        producer.held = producer.paused = True
    return producer


def _new_producer(terms: ProducerTerms, command: Produce | ProduceFromPipe) -> Producer:
    if terms.type is ProducerType.SIMPLE:
        return Producer(terms, paused=command.paused, app_data=command.app_data)
    layers = max(
        parse_scalability_mode(encoding.scalability_mode).temporal_layers for encoding in terms.rtp_parameters.encodings
    )
    return LayeredProducer(terms, temporal_layers=layers, paused=command.paused, app_data=command.app_data)


def _cname(parameters: RtpParameters, transport: Transport, entropy: Entropy) -> str:
    """The CNAME of all streams from one peer: the one it gave first, else a random one (RFC 7022 4.2).

    Over a pipe come the streams of many, each with the CNAME that it has at its origin.
    """
    given = parameters.rtcp.cname
    shared = "" if isinstance(transport, PipeTransport) else transport.session.cname
    return shared or (given if isinstance(given, str) and given else entropy.ice_token(16))


def _check_distinct(other: Producer, parameters: RtpParameters) -> None:
    """MIDs and SSRCs are unique in a transport (RFC 8843 9.2), or packets could not be told apart."""
    mid = parameters.mid
    if mid is not ABSENT and mid == other.terms.rtp_parameters.mid:
        raise Conflict(f"mid '{mid}' is used by producer '{other.terms.id}'", slug="mid-in-use")
    taken = _announced_ssrcs(other.terms.rtp_parameters)
    for ssrc in _announced_ssrcs(parameters):
        if ssrc in taken:
            raise Conflict(f"ssrc {ssrc} is used by producer '{other.terms.id}'", slug="ssrc-in-use")
    if ABSENT not in (mid, other.terms.rtp_parameters.mid):
        return
    rids = {encoding.rid for encoding in other.terms.rtp_parameters.encodings}
    for encoding in parameters.encodings:  # a RID says something within a MID only (RFC 8852 3)
        if encoding.rid is not ABSENT and encoding.rid in rids:
            raise Conflict(
                f"rid '{encoding.rid}' is used by producer '{other.terms.id}', and not both have a mid",
                slug="rid-in-use",
            )


def _announced_ssrcs(parameters: RtpParameters) -> list[int]:
    """Of media and of retransmissions."""
    given = [e.ssrc for e in parameters.encodings]
    given += [e.rtx.ssrc for e in parameters.encodings if isinstance(e.rtx, RtxParameters)]
    return [ssrc for ssrc in given if isinstance(ssrc, int)]


def make_consumer(
    command: Consume,
    producer: Producer,
    transport: Transport,
    entropy: Entropy,
    *,
    mid: str,
    created_at: int,
) -> Consumer:
    """Negotiate a consumer; nothing is changed.

    Raises:
        Unsupported: the client can receive none of the producer's codecs.
    """
    terms = producer.terms
    ssrc = _free_ssrc(transport, entropy)
    parameters = get_consumer_rtp_parameters(
        terms.consumable,
        command.rtp_capabilities,
        ssrc=ssrc,
        rtx_ssrc=_free_ssrc(transport, entropy, ssrc),
        mid=mid,
        enable_rtx=terms.kind is MediaKind.VIDEO,
    )
    names = ConsumerNames(ConsumerId(entropy.uuid()), terms.id, command.participant_id, created_at, command.app_data)
    first_sequence = entropy.integer(_LOWEST_SEQUENCE, _HIGHEST_SEQUENCE)
    rtx = _rtx_sender(parameters, entropy)
    if not isinstance(producer, LayeredProducer):
        return Consumer(
            names,
            terms.kind,
            transport,
            parameters,
            first_sequence,
            paused=command.paused,
            producer_paused=producer.paused,
            source_active=producer.active,
            rtx=rtx,
        )
    numbered = any(codec.mime_type.lower() == "video/vp8" for codec in parameters.codecs)
    return LayeredConsumer(
        names,
        terms.kind,
        transport,
        parameters,
        first_sequence,
        paused=command.paused,
        producer_paused=producer.paused,
        source_active=producer.active,
        rtx=rtx,
        preferred=producer.wanted(command.preferred_layers),
        highest_temporal=producer.highest.temporal,
        rewriter=Vp8Rewriter(producer.highest.temporal) if numbered else None,
    )


def make_pipe_consumer(
    command: ConsumeForPipe, producer: Producer, transport: PipeTransport, entropy: Entropy, *, created_at: int
) -> PipeConsumer:
    """Negotiate the way of all streams of a producer into a pipe; nothing is changed but that SSRCs are used up.

    Raises:
        InvalidValue: the capabilities are malformed (`invalid-rtp-capabilities`).
        Unsupported: the other router knows no codec of the producer (`no-common-codec`).
    """
    terms = producer.terms
    known = restrict_to_known(terms.consumable, command.rtp_capabilities)
    count = len(known.encodings)
    ssrc = transport.take_ssrcs(2 * count)
    parameters = get_pipe_consumer_rtp_parameters(known, ssrc=ssrc, rtx_ssrc=ssrc + count, enable_rtx=transport.rtx)
    id_ = ConsumerId(entropy.uuid())
    names = ConsumerNames(id_, terms.id, terms.participant_id, created_at, command.app_data)
    head: PipeConsumer | None = None
    for encoding in range(count):
        own = part_parameters(parameters, encoding)
        part = PipeConsumer(
            names,
            terms.kind,
            transport,
            parameters if head is None else own,
            entropy.integer(_LOWEST_SEQUENCE, _HIGHEST_SEQUENCE),
            paused=command.paused,
            producer_paused=producer.paused,
            rtx=_rtx_sender(own, entropy),
            encoding=encoding,
            head=head,
        )
        part.source_active = producer.allows(part)
        part.held = command.held
        part.refresh()
        head = head or part
    assert head is not None  # there is one encoding at least
    return head


def _rtx_sender(parameters: RtpParameters, entropy: Entropy) -> RtxSender | None:
    """The retransmission stream of a consumer, where one was negotiated."""
    rtx = parameters.encodings[0].rtx
    if not isinstance(rtx, RtxParameters):
        return None
    repairing = (codec for codec in parameters.codecs if is_rtx(codec))
    payload_types = {associated_payload_type(codec): codec.payload_type for codec in repairing}
    known = {repaired: payload_type for repaired, payload_type in payload_types.items() if repaired is not None}
    return RtxSender(rtx.ssrc, known, entropy.integer(_LOWEST_SEQUENCE, _HIGHEST_SEQUENCE))


def _free_ssrc(transport: Transport, entropy: Entropy, beside: int = 0) -> int:
    """A random SSRC that the transport does not use yet, nor is `beside` (RFC 3550 8.1)."""
    while True:
        ssrc = entropy.integer(1, 0xFFFFFFFF)
        if ssrc != beside and not transport.session.uses(ssrc):
            return ssrc
