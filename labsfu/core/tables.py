"""Where an engine finds its things: routers and transports by id, transports by ufrag, address, socket and deadline."""

from __future__ import annotations

from labsfu.core.forwarding.router import Router
from labsfu.core.outputs import Address, SocketId
from labsfu.core.timers import Timers
from labsfu.core.transport.base import Transport
from labsfu.core.transport.pipe import PipeTransport
from labsfu.core.transport.webrtc import WebRtcTransport
from labsfu.errors import NotFound
from labsfu.wire.ids import RouterId, TransportId


class Tables:
    """All of an engine's tables; `follow` keeps the derived ones in step with a transport."""

    def __init__(self) -> None:
        self.routers: dict[RouterId, Router] = {}
        self.transports: dict[TransportId, Transport] = {}
        self.by_ufrag: dict[str, WebRtcTransport] = {}
        self.by_address: dict[Address, WebRtcTransport] = {}
        self.by_socket: dict[SocketId, PipeTransport] = {}
        self.timers: Timers[Transport] = Timers()
        self.router_timers: Timers[Router] = Timers()
        self._followed: dict[TransportId, tuple[tuple[str, ...], tuple[Address, ...]]] = {}

    def router(self, id_: RouterId) -> Router:
        """A router, or NotFound."""
        if id_ not in self.routers:
            raise NotFound.of("router", id_)
        return self.routers[id_]

    def remove_router(self, router: Router) -> None:
        """Forget a router, which has no transports any more."""
        del self.routers[router.id]
        self.router_timers.forget(router)

    def transport(self, router_id: RouterId, id_: TransportId) -> WebRtcTransport:
        """A WebRTC transport of a router, or NotFound."""
        self.router(router_id)
        transport = self.transports.get(id_)
        if not isinstance(transport, WebRtcTransport) or transport.router_id != router_id:
            raise NotFound.of("transport", id_)
        return transport

    def pipe(self, router_id: RouterId, id_: TransportId) -> PipeTransport:
        """A pipe transport of a router, or NotFound."""
        self.router(router_id)
        transport = self.transports.get(id_)
        if not isinstance(transport, PipeTransport) or transport.router_id != router_id:
            raise NotFound.of("pipe transport", id_)
        return transport

    def pipes(self, id_: RouterId) -> list[PipeTransport]:
        """The pipe transports of a router."""
        return [transport for transport in self.of_router(id_) if isinstance(transport, PipeTransport)]

    def of_router(self, id_: RouterId) -> list[Transport]:
        """All transports of a router."""
        return [transport for transport in self.transports.values() if transport.router_id == id_]

    def add(self, transport: Transport) -> None:
        """Take in a transport."""
        self.transports[transport.id] = transport
        if isinstance(transport, PipeTransport):
            self.by_socket[transport.socket.id] = transport
        self.follow(transport)

    def follow(self, transport: Transport) -> None:
        """Bring the tables up to date with what changed in a transport: deadline, ufrags and addresses."""
        if transport.id not in self.transports:
            return
        self.timers.schedule(transport, transport.deadline())
        if isinstance(transport, WebRtcTransport):
            self._follow_names(transport)

    def _follow_names(self, transport: WebRtcTransport) -> None:
        now = transport.ufrags, tuple(transport.addresses)
        before = self._followed.get(transport.id)
        if now == before:
            return
        if before is not None:
            self._forget(transport, *before)
        for ufrag in now[0]:
            self.by_ufrag[ufrag] = transport
        for address in now[1]:
            self.by_address[address] = transport
        self._followed[transport.id] = now

    def remove(self, transport: Transport) -> None:
        """Forget a transport everywhere."""
        self.transports.pop(transport.id, None)
        self.timers.forget(transport)
        if isinstance(transport, PipeTransport):
            self.by_socket.pop(transport.socket.id, None)
        if not isinstance(transport, WebRtcTransport):
            return
        before = self._followed.pop(transport.id, None)
        if before is not None:
            self._forget(transport, *before)

    def _forget(self, transport: WebRtcTransport, ufrags: tuple[str, ...], addresses: tuple[Address, ...]) -> None:
        for ufrag in ufrags:
            if self.by_ufrag.get(ufrag) is transport:
                del self.by_ufrag[ufrag]
        for address in addresses:
            if self.by_address.get(address) is transport:
                del self.by_address[address]
