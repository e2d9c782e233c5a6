"""Reading the whole state of a room on a server."""

from __future__ import annotations

from collections.abc import Iterable

from clients.api import ApiClient
from clients.cascade.state import Pipe, Sending, Shown, Snapshot, Stream
from clients.cascade.tags import read_tag
from clients.errors import Refused
from labsfu.wire.base import ABSENT
from labsfu.wire.ids import RoomId, RouterId
from labsfu.wire.payloads import RoomPayload, SfuInfo
from labsfu.wire.pipe import PipeTransportPayload
from labsfu.wire.rtp import ConsumerType
from labsfu.wire.sfu import ConsumerPayload, ProducerPayload


async def read_snapshot(api: ApiClient, room_id: RoomId) -> tuple[Snapshot, str]:
    """A room as a server shows it, and the epoch that its events are numbered in.

    Raises:
        Refused, ServerFailed, ProtocolViolation: as they say; that the room or a part of it is gone is no refusal.
    """
    before = await api.sfu_info()
    room = await _room(api, room_id)
    if room is None:
        return _snapshot(before, await api.sfu_info()), before.epoch
    streams: list[Stream] = []
    sendings: list[Sending] = []
    pipes: list[Pipe] = []
    for router_id in room.router_ids:
        try:
            streams += _streams(await api.producers(router_id))
            sendings += _sendings(await api.consumers(router_id))
            pipes += [pipe_of(pipe) for pipe in await api.pipe_transports(router_id)]
        except Refused as refusal:
            if refusal.slug != "router-not-found":
                raise
    after = await api.sfu_info()
    snapshot = Snapshot(
        server_id=before.id,
        since=before.event_seq,
        until=after.event_seq,
        capabilities=before.rtp_capabilities,
        exists=True,
        routers=room.router_ids,
        participants={participant.id: participant.remote for participant in room.participants},
        shown={one.id: Shown(one.display_name, one.share_screen) for one in room.participants},
        streams=tuple(streams),
        sendings=tuple(sendings),
        pipes=tuple(pipes),
    )
    return snapshot, before.epoch


def pipe_of(payload: PipeTransportPayload) -> Pipe:
    """One end of a pipe, as the server shows it."""
    at = payload.addresses
    remote = None if at.remote_ip is ABSENT or at.remote_port is ABSENT else (at.remote_ip, at.remote_port)
    srtp = payload.srtp_parameters is not ABSENT
    return Pipe(payload.id, RouterId(payload.router_id), (at.local_ip, at.local_port), remote, srtp, payload.rtx)


def _snapshot(before: SfuInfo, after: SfuInfo) -> Snapshot:
    return Snapshot(
        server_id=before.id, since=before.event_seq, until=after.event_seq, capabilities=before.rtp_capabilities
    )


async def _room(api: ApiClient, room_id: RoomId) -> RoomPayload | None:
    try:
        return await api.room(room_id)
    except Refused as refusal:
        if refusal.slug != "room-not-found":
            raise
        return None


def _streams(producers: Iterable[ProducerPayload]) -> Iterable[Stream]:
    for producer in producers:
        if producer.kind is ABSENT:
            continue  # it has no media yet; an event tells when it has
        yield Stream(
            producer.id,
            producer.router_id,
            producer.participant_id,
            producer.kind,
            producer.paused,
            None if producer.pipe_transport_id is ABSENT else producer.pipe_transport_id,
            read_tag(producer.app_data),
        )


def _sendings(consumers: Iterable[ConsumerPayload]) -> Iterable[Sending]:
    for consumer in consumers:
        if consumer.type is ConsumerType.PIPE and consumer.pipe_transport_id is not ABSENT:
            tag = read_tag(consumer.app_data)
            yield Sending(
                consumer.id,
                consumer.router_id,
                consumer.producer_id,
                consumer.pipe_transport_id,
                tag,
                paused=consumer.paused,
            )
