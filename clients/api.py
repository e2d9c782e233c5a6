"""The HTTP API, one typed method per route."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import httpx

from clients.errors import ProtocolViolation, Refused, ServerFailed
from labsfu.errors import InvalidValue
from labsfu.wire.base import from_json
from labsfu.wire.payloads import (
    ParticipantList,
    ParticipantPayload,
    ParticipantType,
    RoomList,
    RoomPayload,
    RoomType,
    SfuInfo,
)

T = TypeVar("T")

POLL_INTERVAL = 0.05
"""Seconds between two looks at a server that is not ready."""


class ApiClient:
    """A server's HTTP face, as an async context manager.

    Every method raises Refused when the server says no, ServerFailed when nobody answers, and ProtocolViolation when
    the answer has another shape than the contract's.

    Args:
        base_url: e.g. `http://127.0.0.1:8080`.
        token: bearer token, if the server wants one.
        timeout: seconds for each step of a request.
    """

    def __init__(self, base_url: str, token: str | None = None, *, timeout: float = 10.0) -> None:
        self.base_url = base_url.rstrip("/")
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        # no proxy from the environment: the server is here, or where the caller said
        self._http = httpx.AsyncClient(base_url=self.base_url, headers=headers, timeout=timeout, trust_env=False)

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        await self._http.aclose()

    # ------------------------------------------------------------------ server

    async def healthz(self) -> None:
        """Whether the process lives."""
        await self._call("GET", "/healthz")

    async def readyz(self) -> None:
        """Whether the server takes work."""
        await self._call("GET", "/readyz")

    async def wait_ready(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109 - part of the contract: always bounded
        """Wait until the server takes work.

        Raises:
            ServerFailed: not within `timeout` seconds.
        """
        last: Exception | None = None
        try:
            async with asyncio.timeout(timeout):
                while True:
                    try:
                        return await self.readyz()
                    except (Refused, ServerFailed) as error:
                        last = error
                    await asyncio.sleep(POLL_INTERVAL)
        except TimeoutError:
            raise ServerFailed(f"{self.base_url} not ready in {timeout:g} s: {last}") from last

    async def sfu_info(self) -> SfuInfo:
        """The server, its workers and counts."""
        return await self._get("/sfu", SfuInfo)

    async def reset(self) -> SfuInfo:
        """Close all that the server holds."""
        return self._read(await self._call("POST", "/sfu/reset"), SfuInfo)

    # ------------------------------------------------------------------ rooms

    async def create_room(self, room_type: RoomType, size: int, room_id: str | None = None) -> RoomPayload:
        """Make a room, with an id of the server's choice unless one is given."""
        query: dict[str, str] = {"roomType": room_type.value, "roomSize": str(size)}
        if room_id is not None:
            query["roomId"] = room_id
        return self._read(await self._call("POST", "/rooms", query), RoomPayload)

    async def rooms(self) -> tuple[RoomPayload, ...]:
        """All rooms."""
        return (await self._get("/rooms", RoomList)).rooms

    async def room(self, room_id: str) -> RoomPayload:
        """One room."""
        return await self._get(_room(room_id), RoomPayload)

    async def delete_room(self, room_id: str) -> None:
        """Close a room and all in it."""
        await self._call("DELETE", _room(room_id))

    # ------------------------------------------------------------------ participants

    async def create_participant(
        self,
        room_id: str,
        participant_id: str,
        *,
        participant_type: ParticipantType,
        display_name: str,
        share_screen: bool = False,
    ) -> ParticipantPayload:
        """Make a participant, who may then connect."""
        query = {
            "participantType": participant_type.value,
            "displayName": display_name,
            "shareScreen": "true" if share_screen else "false",
        }
        return self._read(
            await self._call("POST", participant_path(room_id, participant_id), query), ParticipantPayload
        )

    async def participants(self, room_id: str) -> tuple[ParticipantPayload, ...]:
        """All participants of a room."""
        return (await self._get(f"{_room(room_id)}/participants", ParticipantList)).participants

    async def participant(self, room_id: str, participant_id: str) -> ParticipantPayload:
        """One participant."""
        return await self._get(participant_path(room_id, participant_id), ParticipantPayload)

    async def delete_participant(self, room_id: str, participant_id: str) -> None:
        """End a participant."""
        await self._call("DELETE", participant_path(room_id, participant_id))

    # ------------------------------------------------------------------ how

    async def _get(self, path: str, type_: type[T]) -> T:
        return self._read(await self._call("GET", path), type_)

    async def _call(self, method: str, path: str, query: dict[str, str] | None = None) -> httpx.Response:
        try:
            response = await self._http.request(method, path, params=query)
        except httpx.TransportError as error:
            raise ServerFailed(f"{method} {self.base_url}{path}: {str(error) or type(error).__name__}") from error
        if not response.is_success:
            raise Refused.from_http(response.status_code, response.reason_phrase, response.content)
        return response

    @staticmethod
    def _read(response: httpx.Response, type_: type[T]) -> T:
        try:
            return from_json(response.content, type_)
        except InvalidValue as error:
            raise ProtocolViolation(f"{response.request.method} {response.request.url}: {error.detail}") from error


def socket_url(base_url: str, path: str, query: dict[str, str] | None = None) -> str:
    """The ws:// or wss:// URL of a socket route."""
    url = httpx.URL(base_url.rstrip("/") + path, params=query or None)
    return str(url.copy_with(scheme={"http": "ws", "https": "wss"}.get(url.scheme, url.scheme)))


def _room(room_id: str) -> str:
    return f"/rooms/{quote(room_id, safe='')}"


def participant_path(room_id: str, participant_id: str) -> str:
    """Path of a participant; what is no token of the contract is escaped, so that the server can refuse it."""
    return f"{_room(room_id)}/participants/{quote(participant_id, safe='')}"
