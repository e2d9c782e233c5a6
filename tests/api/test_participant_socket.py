"""The participant socket, over a real loopback connection."""

import socket

import pytest
import trio

from labsfu.config import Config
from labsfu.wire import commands
from labsfu.wire import socket as wire
from labsfu.wire.ids import RoomId
from labsfu.wire.rtp import MediaKind
from tests.support.api_world import JOIN, serving
from tests.support.fake_worker import CAPABILITIES, DTLS, OPUS, SPEEX

pytestmark = pytest.mark.trio

ROOM = RoomId("room")


async def test_a_whole_conversation() -> None:
    async with serving() as served:
        ann, ben = await served.join("ann"), await served.join("ben")
        await ann.expect(wire.ParticipantJoined)
        await ann.say(wire.ConnectProducerTransport(dtls_parameters=DTLS))
        await ann.expect(wire.ConnectedProducerTransport)
        await ann.say(wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=OPUS, request_id="p"))
        produced = await ann.expect(wire.Produced)
        assert produced.request_id == "p"
        assert (await ben.expect(wire.ProducerAdded)).producer_id == produced.id
        await ben.say(wire.InitRequest(rtp_capabilities=CAPABILITIES))
        await ben.say(wire.ConsumeRequest(producer_id=produced.id))
        consumed = await ben.expect(wire.Consumed)
        await ben.say(wire.ConsumerResume(id=consumed.id))
        await ben.expect(wire.ConsumerResumed)
        await ann.say(wire.Leave())
        assert await ann.expect_close() == 1000
        assert (await ben.expect(wire.ConsumerClosed)).reason == "producer-closed"
        await ben.expect(wire.ProducerRemoved)
        await ben.expect(wire.ParticipantLeft)


async def test_connect_is_for_a_participant_made_before() -> None:
    async with serving() as served:
        await served.ask("POST", "/rooms?roomType=call&roomSize=2&roomId=room")
        await served.ask("POST", "/rooms/room/participants/ann?participantType=host&displayName=Ann")
        ann = await served.connect("/rooms/room/participants/ann/connect")
        assert (await ann.expect(wire.Init)).participant.display_name == "Ann"


@pytest.mark.parametrize(
    ("path", "status", "slug"),
    [
        ("/rooms/none/participants/ann/connect", 404, "room-not-found"),
        ("/rooms/room/participants/nobody/connect", 404, "participant-not-found"),
        ("/rooms/a!b/participants/ann/connect", 400, "invalid-room-id"),
        ("/rooms/room/participants/a!b/connect", 400, "invalid-participant-id"),
        (JOIN.format("eve", "Eve").replace("roomType=conference&", ""), 400, "missing-parameter"),
        (JOIN.format("eve", "Eve") + "&extra=1", 400, "unknown-parameter"),
        (JOIN.format("ann", "Ann").replace("=host", "=viewer"), 409, "participant-type-differs"),
        ("/nowhere", 404, "route-not-found"),
    ],
)
async def test_a_socket_is_refused_with_a_problem(path: str, status: int, slug: str) -> None:
    async with serving() as served:
        await served.join("ann")
        peer = await served.connect(path)
        assert peer.refusal is not None
        assert peer.refusal[1].status == status
        assert peer.refusal[1].type == f"/problems/{slug}"


async def test_the_videoroom_route_makes_a_conference_and_a_host() -> None:
    async with serving() as served:
        first = await (await served.connect("/ws")).expect(wire.Init)
        second = await (await served.connect(f"/ws?roomId={first.room_id}")).expect(wire.Init)
        assert second.room_id == first.room_id
        assert [other.id for other in second.participants] == [first.participant_id]
        assert second.participant.type == "host"
        room = served.driver.rooms.room(first.room_id)
        assert (room.type, room.size) == ("conference", 16)


@pytest.mark.parametrize(
    ("text", "slug", "action", "request_id"),
    [
        ("{", "not-json", "", None),
        ("", "not-json", "", None),
        ("[]", "wrong-shape", "", None),
        ('{"action": 7, "requestId": 1}', "wrong-shape", "", 1),
        ('{"action": "Dance", "requestId": "d"}', "unknown-action", "Dance", "d"),
        ('{"action": "Consume", "requestId": 4}', "wrong-shape", "Consume", 4),
        ('{"action": "Consume", "producerId": 5, "requestId": true}', "wrong-shape", "Consume", None),
        ('{"action": "RestartIce", "transport": "both"}', "wrong-shape", "RestartIce", None),
        ("[" * 5000, "not-json", "", None),
    ],
)
async def test_what_does_not_fit_is_an_error_and_the_connection_lives(
    text: str, slug: str, action: str, request_id: str | int | None
) -> None:
    async with serving() as served:
        ann = await served.join("ann")
        await ann.say_text(text)
        error = await ann.expect(wire.Error)
        assert (error.type, error.request_action) == (f"/problems/{slug}", action)
        assert (error.request_id or None) == request_id
        await ann.say_text('{"action": "Init", "requestId": 1, "rtpCapabilities": {}, "colour": "blue"}')
        await ann.expect(wire.Initialized)


async def test_an_unsupported_codec_is_an_error_and_the_connection_lives() -> None:
    async with serving() as served:
        ann = await served.join("ann")
        await ann.say(wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=SPEEX))
        assert (await ann.expect(wire.Error)).type == "/problems/unsupported-codec"
        await ann.say(wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=OPUS))
        await ann.expect(wire.Produced)


@pytest.mark.parametrize("data", [b"\x00\x01", b""])
async def test_a_binary_message_closes_with_1003(data: bytes) -> None:
    async with serving() as served:
        ann = await served.join("ann")
        await ann.say_bytes(data)
        assert await ann.expect_close() == 1003


@pytest.mark.parametrize("text", ["x" * 2000, "é" * 600, "x" * 10_000])
async def test_a_message_too_big_closes_with_1009(text: str) -> None:
    async with serving(Config(message_bytes=1024)) as served:
        ann = await served.join("ann")
        await ann.say_text(text)
        assert await ann.expect_close() == 1009


async def test_a_clean_close_ends_the_participant_at_once() -> None:
    async with serving() as served:
        ann, ben = await served.join("ann"), await served.join("ben")
        await ann.expect(wire.ParticipantJoined)
        await ben.close()
        assert (await ann.expect(wire.ParticipantLeft)).participant_id == "ben"


async def test_a_killed_client_is_disconnected_at_once_and_gone_after_its_grace() -> None:
    async with serving(Config(participant_grace=0.3)) as served:
        ann, ben = await served.join("ann"), await served.join("ben")
        await ann.expect(wire.ParticipantJoined)
        await ben.vanish()
        updated = await ann.expect(wire.ParticipantUpdated)
        assert (updated.participant.id, updated.participant.connected) == ("ben", False)
        assert (await ann.expect(wire.ParticipantLeft)).participant_id == "ben"


async def test_one_who_comes_back_in_time_has_the_same_transports() -> None:
    async with serving() as served:
        ann, witness = await served.join("ann"), await served.join("witness")
        before = set(served.worker.engine.transports)
        await ann.vanish()
        await witness.expect(wire.ParticipantUpdated)
        again = await served.connect(JOIN.format("ann", "ann"))
        init = await again.expect(wire.Init)
        assert {init.producer_transport_options.id, init.consumer_transport_options.id} < before
        assert set(served.worker.engine.transports) == before


async def test_a_second_connection_closes_the_first_with_4001() -> None:
    async with serving() as served:
        first = await served.join("ann")
        second = await served.join("ann")
        assert await first.expect_close() == 4001
        await second.say(wire.InitRequest(rtp_capabilities=CAPABILITIES, request_id=1))
        await second.expect(wire.Initialized)


async def test_a_deleted_room_closes_its_sockets() -> None:
    async with serving() as served:
        ann = await served.join("ann")
        await served.ask("DELETE", "/rooms/room")
        await ann.expect(wire.RoomClosed)
        assert await ann.expect_close() == 1000


async def test_a_client_that_does_not_read_is_given_up_and_slows_nobody() -> None:
    async with serving(
        Config(
            outbox_bytes=20_000,
            participant_grace=0.1,
            max_producers_per_participant=100_000,
            max_messages_per_second=0,
        )
    ) as served:
        ann, deaf = await served.join("ann"), await served.join("deaf")
        await ann.expect(wire.ParticipantJoined)
        deaf.stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        produce = wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=OPUS)
        with trio.fail_after(30):
            while len(served.driver.rooms.participants(ROOM)) == 2:
                await ann.say(produce)
                while not isinstance(await ann.hear(), wire.Produced):
                    pass


async def test_what_was_begun_when_the_caller_went_away_is_finished_and_listed() -> None:
    async with serving(Config(participant_grace=60)) as served:
        witness = await served.join("witness")
        served.worker.hold = commands.CreateWebRtcTransport
        async with trio.open_nursery() as nursery:
            nursery.start_soon(served.connect, JOIN.format("ann", "ann"))
            await served.worker.held.wait()
            nursery.cancel_scope.cancel()
        await served.peers[-1].vanish()
        served.worker.hold = None
        served.worker.released.set()
        await witness.expect(wire.ParticipantJoined)
        assert not (await witness.expect(wire.ParticipantUpdated)).participant.connected
        assert len(served.worker.engine.transports) == 4
        await served.ask("DELETE", "/rooms/room")
        assert served.worker.engine.empty


async def test_an_unexpected_error_ends_its_connection_only(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as served:
        ann, ben = await served.join("ann"), await served.join("ben")

        def fail(*_: object) -> None:
            raise RuntimeError("planted")

        with monkeypatch.context() as planted:
            planted.setattr(served.worker.engine, "execute", fail)
            await ann.say(wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=OPUS))
            assert await ann.expect_close() == 1011
        await ben.say(wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=OPUS))
        while not isinstance(await ben.hear(), wire.Produced):
            pass


@pytest.mark.parametrize(
    "garbage", [b"\x00" * 100, b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET / HTTP/9\r\n\r\n"]
)
async def test_garbage_on_the_port_harms_nobody(garbage: bytes) -> None:
    async with serving() as served:
        async with await trio.open_tcp_stream(*served.address) as stream:
            await stream.send_all(garbage)
            while await stream.receive_some():
                pass
        await served.join("ann")


async def test_closing_the_server_waits_for_nobody_who_does_not_read() -> None:
    async with serving(Config(outbox_bytes=1 << 28)) as served:
        ann, _deaf = await served.join("ann"), await served.join("deaf")
        huge = "x" * 200_000
        for _ in range(60):  # fill every buffer on the way to the one who does not read
            await ann.say_text(f'{{"action": "Produce", "requestId": "{huge}"}}')
        await served.join("ben")
        for _ in range(60):
            await served.peers[1].say_text(f'{{"action": "Produce", "requestId": "{huge}"}}')
        served.driver.hang_up_all(1001, "the server ends")
        with trio.fail_after(2):
            await served.http.close(0.5)
            await served.ended.wait()


async def test_a_server_that_ends_says_goodbye() -> None:
    async with serving() as served:
        ann = await served.join("ann")
        served.driver.hang_up_all(1001, "the server ends")
        assert await ann.expect_close() == 1001
