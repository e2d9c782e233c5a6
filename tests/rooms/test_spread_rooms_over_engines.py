"""A room on two routers of real engines: what one sends reaches the other, and nothing is sent for nobody."""

import pytest

from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.rooms.wishes import ConnectionId
from labsfu.wire import commands
from labsfu.wire import socket as wire
from labsfu.wire.events import EngineEvent
from labsfu.wire.ids import RouterId
from labsfu.wire.rtp import MediaKind
from tests.support.lab import Peer
from tests.support.media import KEY_FRAME, payload_of, video_packet, video_parameters
from tests.support.piped_lab import PipedLab
from tests.support.piped_lab import World as Network
from tests.support.room_world import ROOM, World


class LabEngine:
    """An engine with its peers and pipes, as a world of rooms knows its engines."""

    def __init__(self, lab: PipedLab) -> None:
        self.lab = lab
        self.routers: set[RouterId] = set()
        self._told = len(lab.events)

    def execute(self, command: commands.Command) -> commands.Result:
        socket = self.lab.bind("127.0.0.1") if isinstance(command, commands.CreatePipeTransport) else None
        result: commands.Result = self.lab.do(command, object, socket)  # type: ignore[assignment]  # whatever it is
        if isinstance(result, commands.RouterCreated):
            self.routers.add(result.router_id)
        return result

    def drain(self) -> list[EngineEvent]:
        told, self._told = self.lab.events[self._told :], len(self.lab.events)
        return told  # type: ignore[return-value]  # a lab has those of an engine only


class Call:
    """Ann and ben in one room, each on a router of their own."""

    def __init__(self, engines: int) -> None:
        self.network = Network()
        self.world = World(router_capacity=1)
        self.engines = [LabEngine(self.network.lab()) for _ in range(engines)]
        for number, engine in enumerate(self.engines):
            engine.lab._next_port += 100 * number  # they share one address
        self.world.engines[:] = self.engines  # type: ignore[assignment]  # they do all that the world asks of them
        self.ann, self.ben = self.world.join("ann"), self.world.join("ben")
        self.sender = self.connect(self.ann, "producer")
        self.receiver = self.connect(self.ben, "consumer")

    def connect(self, connection: ConnectionId, side: wire.TransportSide) -> Peer:
        (init,) = (item for item in self.world.told[connection] if isinstance(item, wire.Init))
        engine = self.engines[0 if side == "producer" else -1]
        peer = engine.lab.peer()
        sending = side == "producer"
        peer.check(init.producer_transport_options if sending else init.consumer_transport_options)
        peer.start_dtls()
        kind = wire.ConnectProducerTransport if sending else wire.ConnectConsumerTransport
        self.world.say(connection, kind(dtls_parameters=peer.dtls_parameters()))
        assert peer.connected
        return peer

    def send(self, *numbers: int) -> int:
        """Send key frames; how many of them came to ben."""
        before = len(self.receiver.rtp)
        for number in numbers:
            self.sender.send_rtp(video_packet(number, KEY_FRAME, timestamp=3000 * number))
        self.network.pump()
        return len(self.receiver.rtp) - before

    def consume(self) -> wire.Consumed:
        """Ben consumes what ann sends, and lets it flow."""
        capabilities = self.engines[0].lab.capabilities
        self.world.say(self.ben, wire.InitRequest(rtp_capabilities=capabilities))
        (producer_id,) = self.world.rooms.participants(ROOM)[0].producer_ids
        self.world.say(self.ben, wire.ConsumeRequest(producer_id=producer_id))
        consumed = self.world.last(self.ben, wire.Consumed)
        self.world.say(self.ben, wire.ConsumerResume(id=consumed.id))
        self.network.pump()
        return consumed

    def plis(self) -> int:
        self.network.advance(2)
        return sum(isinstance(packet, PictureLossIndication) for packet in self.sender.rtcp)


@pytest.mark.parametrize("engines", [1, 2])
def test_what_one_sends_reaches_the_other_for_as_long_as_it_is_wanted(engines: int) -> None:
    call = Call(engines)
    world = call.world
    world.say(call.ann, wire.ProduceRequest(kind=MediaKind.VIDEO, rtp_parameters=video_parameters()))
    produced = world.last(call.ann, wire.Produced).id
    consumed = call.consume()
    assert call.send(1, 2, 3) == 3
    assert payload_of(call.receiver.rtp[-1]) == KEY_FRAME

    world.say(call.ann, wire.ProducerPause(id=produced))
    assert call.send(4) == 0
    world.say(call.ann, wire.ProducerResume(id=produced))
    assert call.send(5, 6) == 2

    world.say(call.ben, wire.ConsumerClose(id=consumed.id))
    carried = len(call.network.sent)
    assert (call.send(7, 8), len(call.network.sent)) == (0, carried)
    asked = call.plis()
    call.consume()
    assert call.plis() > asked
    assert call.send(9, 10) == 2

    world.say(call.ann, wire.Leave())
    left = [engine.execute(commands.GetCounts()).counts for engine in call.engines]  # type: ignore[union-attr]  # Counted
    assert sum(counts.producers + counts.consumers for counts in left) == 0
    world.do(world.rooms.reset())
    left = [engine.execute(commands.GetCounts()).counts for engine in call.engines]  # type: ignore[union-attr]  # Counted
    assert sum(counts.transports for counts in left) == 0
