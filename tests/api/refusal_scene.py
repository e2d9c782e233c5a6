"""A server that holds one of everything, for requests to be refused by; and all that it holds, to be compared."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import msgspec
import trio

from labsfu.config import Config
from labsfu.rooms.opening import ParticipantPlan, RoomPlan
from labsfu.rooms.wishes import Flow
from labsfu.wire import commands
from labsfu.wire import socket as wire
from labsfu.wire.base import ABSENT
from labsfu.wire.ids import ParticipantId, ProducerId, RoomId, RouterId, TransportId
from labsfu.wire.payloads import ParticipantType, RoomType
from labsfu.wire.rtp import MediaKind, RtpCapabilities, RtpEncodingParameters
from labsfu.wire.transport import DtlsFingerprint, DtlsParameters
from tests.support.api_world import EngineWorld, WorldOf
from tests.support.engine_worker import EngineWorker
from tests.support.media import audio_parameters

T = TypeVar("T")
R = TypeVar("R", bound=commands.Result)

DTLS = DtlsParameters(fingerprints=(DtlsFingerprint(algorithm="sha-256", value=":".join(["AB"] * 32)),))
ROOM, OPEN, PHONE, CLOSED = RoomId("room"), RoomId("open"), RoomId("phone"), RoomId("closed-room")
_NAME = re.compile(r"<(\w+)>")


@dataclass(frozen=True)
class Scene:
    """A world and the ids of what is in it, by the names that cases use for them."""

    world: WorldOf[EngineWorker]
    ids: dict[str, str]

    def fill_in(self, text: str) -> str:
        """Replace `<name>` by the id of this name."""
        return _NAME.sub(lambda found: self.ids[found[1]], text)

    async def run(self, flow: Flow[T]) -> T:
        return await self.world.driver.run(flow)

    def snapshot(self) -> object:
        """All that the server holds, and how many events there were."""
        world = self.world
        engine = world.worker.engine
        now = trio.current_time()
        routers = engine.execute(commands.ListRouters(), now)
        assert isinstance(routers, commands.RoutersShown)
        inside = [
            engine.execute(command(router_id=router.id), now)
            for router in routers.routers
            for command in (commands.ListProducers, commands.ListConsumers, commands.ListPipeTransports)
        ]
        directory = world.driver.rooms._directory
        making = (
            directory.rooms_in_making,
            [p.producers_in_making for room in directory.rooms.values() for p in room.participants.values()],
            dict(world.api.producers_in_making),
        )
        held = engine.execute(commands.GetCounts(), now)
        assert isinstance(held, commands.Counted)
        counts = held.counts.routers, held.counts.transports, held.counts.producers, held.counts.consumers
        return routers, inside, counts, world.driver.rooms.rooms(), making, world.events.seq


async def make_scene(config: Config) -> Scene:
    """Build it without HTTP, so that nothing that HTTP checks is in the way."""
    scene = Scene(EngineWorld(config), {"nowhere": "00000000-0000-4000-8000-000000000000"})
    capabilities = await _fill_routers(scene)
    await _fill_rooms(scene, capabilities)
    await _fill_pipes(scene)
    return scene


async def _ask(scene: Scene, command: commands.Command, expected: type[R]) -> R:
    result = await scene.world.worker.execute(command)
    assert isinstance(result, expected)
    return result


async def _fill_routers(scene: Scene) -> RtpCapabilities:
    """Two routers with streams that have transports of their own, and one that is closed."""
    routers = []
    for name in ("router", "other_router", "closed_router"):
        made = await _ask(scene, commands.CreateRouter(), commands.RouterCreated)
        scene.ids[name] = made.router_id
        routers.append(made)
    router, other, gone = (made.router_id for made in routers)
    capabilities = routers[0].rtp_capabilities
    await _produce(scene, "pending", router, complete=False)
    for name, where in [("producer", router), ("connected_producer", router), ("closed_producer", router)]:
        await _produce(scene, name, where)
    await _produce(scene, "other_producer", other)
    for name in ("consumer", "connected_consumer", "closed_consumer"):
        await _consume(scene, name, router, "producer", capabilities)
    await _consume(scene, "other_consumer", other, "other_producer", capabilities)
    for command in (
        commands.ConnectProducer(
            router_id=router, producer_id=ProducerId(scene.ids["connected_producer"]), dtls_parameters=DTLS
        ),
        commands.ConnectConsumer(
            router_id=router,
            consumer_id=scene.ids["connected_consumer"],  # type: ignore[arg-type]  # ids are kept as text
            dtls_parameters=DTLS,
        ),
        commands.CloseProducer(router_id=router, producer_id=ProducerId(scene.ids["closed_producer"])),
        commands.CloseConsumer(router_id=router, consumer_id=scene.ids["closed_consumer"]),  # type: ignore[arg-type]  # the same
        commands.CloseRouter(router_id=gone),
    ):
        await _ask(scene, command, commands.Done)
    return capabilities


async def _produce(scene: Scene, name: str, router: RouterId, *, complete: bool = True) -> None:
    """Each has an owner of the same name, since owners have a limit."""
    command = commands.CreateProducer(
        router_id=router,
        participant_id=ParticipantId(f"of-{name}"),
        kind=MediaKind.AUDIO if complete else ABSENT,
        rtp_parameters=audio_parameters() if complete else ABSENT,
    )
    scene.ids[name] = (await _ask(scene, command, commands.ProducerShown)).producer.id


async def _consume(scene: Scene, name: str, router: RouterId, of: str, capabilities: RtpCapabilities) -> None:
    command = commands.CreateConsumer(
        router_id=router,
        producer_id=ProducerId(scene.ids[of]),
        participant_id=ParticipantId(f"of-{name}"),
        rtp_capabilities=capabilities,
    )
    scene.ids[name] = (await _ask(scene, command, commands.ConsumerShown)).consumer.id


async def _fill_rooms(scene: Scene, capabilities: RtpCapabilities) -> None:
    """A full room where ann sends to ben, one with places where cyd has none but a seat, and one that is closed."""
    driver = scene.world.driver
    rooms, now = driver.rooms, driver.now()
    await scene.run(rooms.create_room(RoomPlan(RoomType.CONFERENCE, 16, CLOSED), now))
    await scene.run(rooms.delete_room(CLOSED))
    connections = []
    for name in ("ann", "ben"):
        connection, _ = driver.open()
        plan = ParticipantPlan(ParticipantId(name), ParticipantType.HOST, name)
        await scene.run(rooms.create_and_connect(connection, RoomPlan(RoomType.CONFERENCE, 2, ROOM), plan, now))
        connections.append(connection)
    ann, ben = connections
    produce = wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=audio_parameters())
    await scene.run(rooms.receive(ann, produce, now))
    (producer_id,) = rooms.participant(ROOM, ParticipantId("ann")).producer_ids
    await scene.run(rooms.receive(ben, wire.InitRequest(rtp_capabilities=capabilities), now))
    await scene.run(rooms.receive(ben, wire.ConsumeRequest(producer_id=producer_id), now))
    (consumer_id,) = rooms.participant(ROOM, ParticipantId("ben")).consumer_ids
    scene.ids.update(shared_producer=producer_id, shared_consumer=consumer_id)
    scene.ids["room_router"] = rooms.room(ROOM).router_ids[0]
    await scene.run(rooms.create_room(RoomPlan(RoomType.CONFERENCE, 16, OPEN), now))
    await scene.run(rooms.create_room(RoomPlan(RoomType.CALL, 2, PHONE), now))
    for name in ("gone", "cyd"):
        plan = ParticipantPlan(ParticipantId(name), ParticipantType.HOST, name)
        driver.call(partial(rooms.create_participant, OPEN, plan, now))
        if name == "gone":
            await scene.run(rooms.delete_participant(OPEN, ParticipantId(name), now))


async def _fill_pipes(scene: Scene) -> None:
    """Ends of pipes that lead nowhere; out of one of them comes somebody's audio."""
    for name, router, srtp in [
        ("pipe", "router", False),
        ("srtp_pipe", "router", True),
        ("connected_pipe", "router", False),
        ("closed_pipe", "router", False),
        ("other_pipe", "other_router", False),
        ("room_pipe", "room_router", False),
    ]:
        create = commands.CreatePipeTransport(router_id=RouterId(scene.ids[router]), enable_srtp=srtp)
        scene.ids[name] = (await _ask(scene, create, commands.PipeTransportShown)).pipe_transport.id
    router, connected, closed = RouterId(scene.ids["router"]), scene.ids["connected_pipe"], scene.ids["closed_pipe"]
    connect = commands.ConnectPipeTransport(
        router_id=router, transport_id=TransportId(connected), ip="192.0.2.9", port=4000
    )
    await _ask(scene, connect, commands.Done)
    close = commands.ClosePipeTransport(router_id=router, transport_id=TransportId(closed))
    await _ask(scene, close, commands.Done)
    scene.ids["piped_producer"] = "00000000-0000-4000-8000-00000000001a"
    produce = commands.ProduceFromPipe(
        router_id=router,
        transport_id=TransportId(scene.ids["pipe"]),
        producer_id=ProducerId(scene.ids["piped_producer"]),
        participant_id=ParticipantId("eve"),
        kind=MediaKind.AUDIO,
        rtp_parameters=msgspec.structs.replace(
            audio_parameters(), mid="m", encodings=(RtpEncodingParameters(ssrc=99, rid="r9"),)
        ),
    )
    await _ask(scene, produce, commands.PipeProduced)


async def shown(scene: Scene, headers: dict[str, str]) -> object:
    """The same as `Scene.snapshot`, as HTTP shows it."""
    found = []
    for path in ("/sfu", "/rooms", "/sfu/routers", *_inside(scene)):
        response = await scene.world.client.get(path, headers=headers)
        assert response.status_code == 200, path
        found.append(msgspec.json.decode(await response.get_data()))
    info = found[0]
    found[0] = info["counts"], info["eventSeq"], [worker["media"]["transports"] for worker in info["workers"]]
    return found


def _inside(scene: Scene) -> list[str]:
    names = ("router", "other_router", "room_router")
    kinds = ("producers", "consumers", "pipe-transports")
    return [f"/sfu/routers/{scene.ids[name]}/{kind}" for name in names for kind in kinds]
