"""A participant: joins a room, sends, receives, leaves."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from aiortc import MediaStreamTrack

from clients.api import participant_path, socket_url
from clients.capabilities import receive_capabilities
from clients.closing import in_turn, to_its_end
from clients.errors import ClientError, Disconnected, ProtocolViolation, Refused, TransportFailed, single
from clients.impairment import Impairment
from clients.network import NetworkPlan
from clients.publisher import Publisher, Work
from clients.signalling import Received, Signalling
from clients.subscriber import RemoteTrack, Subscriber
from clients.synthetic import terms as synthetic_terms
from clients.synthetic.source import SyntheticSource
from clients.tap import RtpTap
from clients.transport import WebRtcTransport
from labsfu.wire.base import JsonObject
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RoomId
from labsfu.wire.payloads import ParticipantPayload, ParticipantType, RoomType
from labsfu.wire.rtp import ConsumerLayers
from labsfu.wire.socket import (
    ActiveSpeaker,
    AudioLevels,
    ConnectConsumerTransport,
    ConnectedConsumerTransport,
    ConnectedProducerTransport,
    ConnectProducerTransport,
    ConsumerClosed,
    ConsumerLayersChanged,
    ConsumerScore,
    GetStats,
    Init,
    Initialized,
    InitRequest,
    Leave,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    ProducerAdded,
    ProducerRemoved,
    ProducerScore,
    RoomClosed,
    ServerMessage,
    Stats,
    TransportSide,
)
from labsfu.wire.transport import DtlsRole

FAREWELL = 2.0
"""Seconds that `Leave` may take, closing the socket too, and that it may outlive a transport that the server closed."""

OnTrack = Callable[[RemoteTrack], None]


class LabClient:
    """A participant of a room, as an async context manager: entering joins, leaving leaves.

    What fails in the background (the socket or a transport lost, a track or an encoder raising, a refused
    subscription) cancels the body and is raised from the context manager.

    Args:
        url: base URL of the server, e.g. `http://127.0.0.1:8080`.
        room: id of the room.
        name: display name.
        participant_id: token of the participant; None takes the name.
        room_type: of the room, should it have to be made.
        participant_type: host, guest or viewer.
        size: of the room, should it have to be made; None takes the type's default.
        share_screen: whether this participant is a shared screen.
        create: make room and participant as needed; False connects a participant that exists.
        dtls_role: of both transports: client, or server.
        token: bearer token of the server.
        ca: file with the certificates to be trusted for https:// (see `clients.trust`).
        reach_at: address and port at which both transports reach the server's media (see `WebRtcTransport`).
        network: what the network below both transports shall be; the socket of the signals has a perfect one.
        tap: measures what this client sends and receives, packet by packet.
        on_track: told of each remote stream before it flows.
        auto_subscribe: consume every producer of the others.
        synthetic: receive without decoding, with receivers that keep the books (`RemoteTrack.reception`).
        lenient: an unexpected end of the socket is only noted (see `wait_disconnected`), not raised.
        timeout: seconds for joining, for each request and for each transport to come up.
        rng: where SSRCs come from; give a seeded one to have the same again.

    Attributes:
        on_track: as given; may be replaced.
        participants: the others, by id, as the server told last.
        producers: of the others, by id.
        active_speaker: who speaks; None: nobody.
        audio_levels: of the producers that were loud in the last second, this client's among them: dBov.
    """

    def __init__(
        self,
        url: str,
        *,
        room: str,
        name: str,
        participant_id: str | None = None,
        room_type: RoomType = RoomType.CONFERENCE,
        participant_type: ParticipantType = ParticipantType.HOST,
        size: int | None = None,
        share_screen: bool = False,
        create: bool = True,
        dtls_role: DtlsRole = DtlsRole.CLIENT,
        token: str | None = None,
        ca: str | Path | None = None,
        reach_at: tuple[str, int] | None = None,
        network: NetworkPlan | None = None,
        tap: RtpTap | None = None,
        on_track: OnTrack | None = None,
        auto_subscribe: bool = True,
        synthetic: bool = False,
        lenient: bool = False,
        timeout: float = 10.0,
        rng: random.Random | None = None,
    ) -> None:
        self.name = name
        self.on_track = on_track
        self.participants: dict[ParticipantId, ParticipantPayload] = {}
        self.producers: dict[ProducerId, ProducerAdded] = {}
        self.active_speaker: ParticipantId | None = None
        self.audio_levels: dict[ProducerId, int] = {}
        self._dtls_role = dtls_role
        self._reach_at = reach_at
        self._network = None if network is None else Impairment(network, client=name)
        self._tap = tap
        self._auto_subscribe = auto_subscribe
        self._synthetic = synthetic
        self._lenient = lenient
        self._timeout = timeout
        self._rng = random.Random() if rng is None else rng
        path = participant_path(room, name if participant_id is None else participant_id)
        query = {
            "roomType": room_type.value,
            "participantType": participant_type.value,
            "displayName": name,
            "shareScreen": "true" if share_screen else "false",
        }
        if size is not None:
            query["roomSize"] = str(size)
        socket = socket_url(url, f"{path}/create-and-connect", query) if create else socket_url(url, f"{path}/connect")
        self._signalling = Signalling(socket, token=token, timeout=timeout, ca=ca)
        self._init: Init | None = None
        self._publisher: Publisher | None = None
        self._subscriber: Subscriber | None = None
        self._transports: dict[TransportSide, WebRtcTransport] = {}
        self._up: set[TransportSide] = set()
        self._locks: dict[TransportSide, asyncio.Lock] = {"producer": asyncio.Lock(), "consumer": asyncio.Lock()}
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._ending: asyncio.Task[None] | None = None
        self._session: AbstractAsyncContextManager[None] | None = None

    async def __aenter__(self) -> Self:
        self._session = self._run()
        await self._session.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        assert self._session is not None, "set on entering"
        return await self._session.__aexit__(kind, error, traceback)

    # ------------------------------------------------------------------ who and what

    @property
    def init(self) -> Init:
        """The server's first signal.

        Raises:
            ClientError: not joined yet.
        """
        if self._init is None:
            raise ClientError(f"'{self.name}' has not joined")
        return self._init

    @property
    def room_id(self) -> RoomId:
        """Id of the room."""
        return self.init.room_id

    @property
    def id(self) -> ParticipantId:
        """Id of this participant."""
        return self.init.participant_id

    @property
    def events(self) -> deque[Received]:
        """What the server said and when (monotonic seconds), answers included; the last ten thousand."""
        return self._signalling.timeline

    @property
    def tracks(self) -> dict[ConsumerId, RemoteTrack]:
        """The remote streams that are being received."""
        return {} if self._subscriber is None else self._subscriber.tracks

    @property
    def publisher(self) -> Publisher:
        """What this client sends, in detail."""
        if self._publisher is None:
            raise ClientError(f"'{self.name}' has not joined")
        return self._publisher

    @property
    def subscriber(self) -> Subscriber:
        """What this client receives, in detail."""
        if self._subscriber is None:
            raise ClientError(f"'{self.name}' has not joined")
        return self._subscriber

    @property
    def signalling(self) -> Signalling:
        """The socket, for requests that have no method here."""
        return self._signalling

    @property
    def network(self) -> Impairment:
        """The network below both transports. Its schedule knows `joined`, `producer-connected`, `consumer-connected`.

        Raises:
            ClientError: no plan was given for it.
        """
        if self._network is None:
            raise ClientError(f"'{self.name}' has no network of its own")
        return self._network

    def transport(self, side: TransportSide) -> WebRtcTransport | None:
        """The transport of a direction; None before anything has needed it."""
        return self._transports.get(side)

    # ------------------------------------------------------------------ what to do

    async def publish(
        self,
        track: MediaStreamTrack | SyntheticSource,
        *,
        codec: str | None = None,
        paused: bool = False,
        app_data: JsonObject | None = None,
    ) -> ProducerId:
        """Send an audio or video track, or a synthetic source (see `Publisher.publish`)."""
        return await self.publisher.publish(track, codec=codec, paused=paused, app_data=app_data)

    async def subscribe(
        self, producer_id: ProducerId, *, paused: bool = False, preferred_layers: ConsumerLayers | None = None
    ) -> RemoteTrack:
        """Receive a producer (see `Subscriber.consume`): only needed without `auto_subscribe`."""
        remote = await self.subscriber.consume(producer_id, paused=paused, preferred_layers=preferred_layers)
        self._notify()
        return remote

    async def get_stats(self) -> Stats:
        """What the server says of our streams and transports."""
        return await self._signalling.request(GetStats(), Stats)

    async def until(self, condition: Callable[[], bool], timeout: float = 10.0) -> None:  # noqa: ASYNC109 - always bounded
        """Wait until a condition on this client holds; it is looked at after each signal and each new track.

        Raises:
            TimeoutError: it did not in `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            while not condition():
                await self._changed.wait()

    async def wait_disconnected(self) -> Disconnected:
        """Wait until the socket is gone, by whatever cause, and say how (of use with `lenient`)."""
        end = await self._signalling.wait_ended()
        return end if isinstance(end, Disconnected) else Disconnected(1002, str(end))

    async def leave(self) -> None:
        """Leave the room, and close everything. Idempotent; leaving the context does it too.

        It goes on when the wait for it is cancelled; leaving the context waits for its end in any case.
        """
        await asyncio.shield(self._end(self._leave))

    async def kill(self) -> None:
        """Vanish: sockets are dropped, nothing is said to anybody. Idempotent; goes on as `leave` does."""
        await asyncio.shield(self._end(self._vanish))

    # ------------------------------------------------------------------ how

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        try:
            async with asyncio.TaskGroup() as self._group, self._signalling:
                try:
                    await self._join()
                    yield
                finally:
                    # other clients of this task may cancel it meanwhile, for reasons of their own
                    await to_its_end(self._end(self._leave))
        except BaseExceptionGroup as errors:
            raise single(errors) from None

    def _end(self, how: Work) -> asyncio.Task[None]:
        """The one task that ends this client; the first to ask says how."""
        if self._ending is None:
            self._ending = asyncio.create_task(how(), name=f"{self.name} ends")
        return self._ending

    async def _leave(self) -> None:
        await in_turn(
            self._stop_sending,
            self._say_goodbye,
            self._stop_tasks,
            self._close_transports,
            self._hang_up,
            self._close_network,
        )

    async def _vanish(self) -> None:
        await in_turn(self._signalling.abort, self._stop_tasks, self._abort_transports, self._close_network)

    async def _stop_sending(self) -> None:
        if self._publisher is not None:
            await self._publisher.close()

    async def _close_transports(self) -> None:
        await in_turn(*(transport.close for transport in self._transports.values()))

    async def _abort_transports(self) -> None:
        await in_turn(*(transport.abort for transport in self._transports.values()))

    async def _close_network(self) -> None:
        if self._network is not None:
            self._network.close()

    def _network_event(self, name: str) -> None:
        if self._network is not None:
            self._network.event(name)

    async def _join(self) -> None:
        if self._network is not None:
            self._network.start()
        async with asyncio.timeout(self._timeout):
            init = await self._signalling.receive()
        if not isinstance(init, Init):
            raise ProtocolViolation(f"the first signal was {type(init).__name__}")
        self._init = init
        self.participants.update((p.id, p) for p in init.participants)
        router = init.router_rtp_capabilities
        if self._network is not None:
            self._network.learn(router)
        self._publisher = Publisher(
            self._signalling, lambda: self._connect("producer"), router, init.participant_id, self._spawn, self._rng
        )
        self._subscriber = Subscriber(
            self._signalling,
            lambda: self._connect("consumer"),
            self._new_track,
            self._rng,
            synthetic=self._synthetic,
        )
        self._publisher.tap = self._subscriber.tap = self._tap
        can = synthetic_terms.receive_capabilities(router) if self._synthetic else receive_capabilities(router)
        await self._signalling.request(InitRequest(rtp_capabilities=can), Initialized)
        self._start(self._dispatch())
        self._network_event("joined")

    async def _connect(self, side: TransportSide) -> WebRtcTransport:
        """The transport of a direction, brought up when it is first needed."""
        async with self._locks[side]:
            if side not in self._transports:
                await self._bring_up(side)
            elif side not in self._up:
                raise TransportFailed(f"the {side} transport did not come up")
            return self._transports[side]

    async def _bring_up(self, side: TransportSide) -> None:
        sending = side == "producer"
        options = self.init.producer_transport_options if sending else self.init.consumer_transport_options
        transport = self._transports[side] = WebRtcTransport(
            options, role=self._dtls_role, reach_at=self._reach_at, network=self._network
        )
        dtls = transport.dtls_parameters
        if sending:
            await self._signalling.request(ConnectProducerTransport(dtls_parameters=dtls), ConnectedProducerTransport)
        else:
            await self._signalling.request(ConnectConsumerTransport(dtls_parameters=dtls), ConnectedConsumerTransport)
        await transport.connect(self._timeout)
        if self._tap is not None:
            self._tap.attach(transport)
        self._up.add(side)
        self._network_event(f"{side}-connected")
        self._spawn(lambda: self._watch(transport))

    async def _watch(self, transport: WebRtcTransport) -> None:
        """A transport may end only together with the socket; which of the two ends first is chance."""
        await transport.ended()
        try:
            async with asyncio.timeout(FAREWELL):
                await self._signalling.wait_ended()
        except TimeoutError:
            raise TransportFailed(f"transport {transport.id} was lost while the socket lives") from None

    async def _dispatch(self) -> None:
        """Follow the signals until the socket ends."""
        room_closed = False
        try:
            while True:
                signal = await self._signalling.receive()
                room_closed |= isinstance(signal, RoomClosed)
                await self._handle(signal)
                self._notify()
        except Disconnected:
            self._notify()
            if not (self._ending is not None or self._lenient or room_closed):
                raise

    async def _handle(self, signal: ServerMessage) -> None:
        match signal:
            case ParticipantJoined() | ParticipantUpdated():
                self.participants[signal.participant.id] = signal.participant
            case ParticipantLeft():
                self.participants.pop(signal.participant_id, None)
            case ProducerAdded():
                self.producers[signal.producer_id] = signal
                if self._auto_subscribe:
                    self._spawn(partial(self._consume, signal.producer_id))
            case ProducerRemoved():
                self.producers.pop(signal.producer_id, None)
                await self.subscriber.producer_removed(signal.producer_id)
                await self.publisher.removed(signal.producer_id)
            case ConsumerClosed():
                await self.subscriber.closed(signal.id)
            case ActiveSpeaker():
                self.active_speaker = signal.participant_id
            case AudioLevels():
                self.audio_levels = {level.producer_id: level.volume for level in signal.levels}
            case ConsumerLayersChanged() | ConsumerScore():
                self.subscriber.told(signal)
            case ProducerScore():
                self.publisher.scores[signal.id] = signal.score
            case _:
                pass  # it is on the timeline

    async def _consume(self, producer_id: ProducerId) -> None:
        try:
            await self.subscribe(producer_id)
        except Refused as refusal:
            # it may have gone before we asked; its ProducerRemoved is on the way
            if refusal.slug != "producer-not-found":
                raise

    async def _say_goodbye(self) -> None:
        if self._signalling.end is not None or self._init is None:
            return
        try:
            async with asyncio.timeout(FAREWELL):
                await self._signalling.send(Leave())
                await self._signalling.wait_ended()
        except (Disconnected, TimeoutError):
            pass  # closing comes next, and says the same

    async def _hang_up(self) -> None:
        """Close the socket; one whose server is deaf is dropped."""
        try:
            async with asyncio.timeout(FAREWELL):
                await self._signalling.close()
        except TimeoutError:
            await self._signalling.abort()

    def _new_track(self, remote: RemoteTrack) -> None:
        if self.on_track is not None:
            self.on_track(remote)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _spawn(self, work: Work) -> None:
        """Start work that ends with the connection; what that end means is for the dispatcher to say."""

        async def quiet() -> None:
            with contextlib.suppress(Disconnected):
                await work()

        self._start(quiet())

    def _start(self, work: Coroutine[object, object, None]) -> None:
        assert self._group is not None, "set on entering"
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stop_tasks(self) -> None:
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
