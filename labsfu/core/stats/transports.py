"""Stats of transports, and of all those of a router together."""

from __future__ import annotations

from copy import copy
from typing import TypedDict

from labsfu.core.drops import Drops
from labsfu.core.forwarding.router import Router
from labsfu.core.stats.moment import Moment
from labsfu.core.tables import Tables
from labsfu.core.transport.base import Transport
from labsfu.core.transport.pipe import PipeTransport
from labsfu.core.transport.webrtc import WebRtcTransport
from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.ids import TransportId
from labsfu.wire.stats import (
    AnyTransportStats,
    DropCount,
    PipeTransportStats,
    RouterStatsPayload,
    RouterTotals,
    TransportStats,
    TransportTuple,
)


class _Common(TypedDict):
    """What the stats of all transports have."""

    transport_id: TransportId
    timestamp: int
    bytes_received: int
    recv_bitrate: int
    bytes_sent: int
    send_bitrate: int
    rtp_bytes_received: int
    rtp_recv_bitrate: int
    rtp_bytes_sent: int
    rtp_send_bitrate: int
    rtx_bytes_received: int
    rtx_recv_bitrate: int
    rtx_bytes_sent: int
    rtx_send_bitrate: int
    drops: tuple[DropCount, ...]


def _common(transport: Transport, moment: Moment) -> _Common:
    counts = transport.byte_counts()
    rates = transport.rates.rates(moment.now, *counts)
    return {
        "transport_id": transport.id,
        "timestamp": moment.at,
        "bytes_received": counts[0],
        "recv_bitrate": rates[0],
        "bytes_sent": counts[1],
        "send_bitrate": rates[1],
        "rtp_bytes_received": counts[2],
        "rtp_recv_bitrate": rates[2],
        "rtp_bytes_sent": counts[3],
        "rtp_send_bitrate": rates[3],
        "rtx_bytes_received": counts[4],
        "rtx_recv_bitrate": rates[4],
        "rtx_bytes_sent": counts[5],
        "rtx_send_bitrate": rates[5],
        "drops": transport.drops.snapshot(),
    }


def any_transport_stats(transport: Transport, moment: Moment) -> AnyTransportStats:
    """What there is to say of a transport, whichever it is."""
    if isinstance(transport, PipeTransport):
        return pipe_transport_stats(transport, moment)
    assert isinstance(transport, WebRtcTransport)  # there are these two
    return transport_stats(transport, moment)


def pipe_transport_stats(pipe: PipeTransport, moment: Moment) -> PipeTransportStats:
    """What there is to say of a pipe transport."""
    return PipeTransportStats(
        **_common(pipe, moment),
        addresses=pipe.addresses,
        srtp=pipe.srtp,
        rtx=pipe.rtx,
    )


def transport_stats(transport: WebRtcTransport, moment: Moment) -> TransportStats:
    """What there is to say of a WebRTC transport."""
    loss = transport.session.fraction_lost
    return TransportStats(
        **_common(transport, moment),
        ice_role="controlled",
        ice_state=transport.ice_state,
        ice_selected_tuple=_selected_tuple(transport),
        dtls_state=transport.dtls_state,
        rtp_packet_loss_received=ABSENT if loss is None else loss,
    )


def _selected_tuple(transport: WebRtcTransport) -> TransportTuple | Absent:
    selected = transport.selected
    if selected is None:
        return ABSENT
    local, remote = selected
    return TransportTuple(
        local_ip=local.address, local_port=local.port, remote_ip=remote[0], remote_port=remote[1], protocol="udp"
    )


def router_stats(router: Router, tables: Tables, moment: Moment) -> RouterStatsPayload:
    """What there is to say of a router's transports; the drops are those of its producers and consumers too."""
    transports = tables.of_router(router.id)
    total, drops = copy(router.traffic), Drops()
    for transport in transports:
        total.add(transport)
    producers, consumers = router.producers.values(), router.consumers.values()
    for dropped in (router.drops, *(t.drops for t in transports), *(p.drops for p, *_ in producers)):
        drops.add(dropped)
    for consumer, *_ in consumers:
        for part in consumer.parts:
            drops.add(part.drops)
    received, sent = router.rates.rates(moment.now, total.bytes_received, total.bytes_sent)
    return RouterStatsPayload(
        router_id=router.id,
        at=moment.at,
        totals=RouterTotals(
            packets_received=total.packets_received,
            bytes_received=total.bytes_received,
            recv_bitrate=received,
            packets_sent=total.packets_sent,
            bytes_sent=total.bytes_sent,
            send_bitrate=sent,
            drops=drops.snapshot(),
        ),
        transports=tuple(any_transport_stats(transport, moment) for transport in transports),
    )
