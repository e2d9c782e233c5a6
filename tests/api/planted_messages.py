"""Faults of the participant socket, each of which must turn the cases of its columns red."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import msgspec

from labsfu.api import messages, socket
from labsfu.core import negotiation
from labsfu.core.ortc import produce
from labsfu.core.transport.webrtc import WebRtcTransport
from labsfu.errors import Conflict, InvalidValue
from labsfu.rooms import dispatch, receiving, sending
from labsfu.wire import commands
from labsfu.wire import socket as wire
from labsfu.wire.rtp import RtpCapabilities
from tests.api.planting import Patch, always, half_made_by, instead_of, wrap
from tests.api.refusal_messages import Room, Said


@dataclass(frozen=True)
class MessageFault:
    """A fault, and which cases it must turn red.

    Attributes:
        every: of the cases, one in so many is tried.
        everywhere: it shows in all columns.
    """

    name: str
    plant: Callable[[Patch, Room], None]
    applies: Callable[[Said], bool]
    every: int = 1
    everywhere: bool = False


def anything_is_understood(patch: Patch, _: Room) -> None:
    """What cannot be read is taken for a message that can."""

    def lenient(decode: Callable[..., Any]) -> Callable[..., Any]:
        def decoded(text: str) -> wire.ClientMessage:
            message = decode(text)
            return wire.RestartIceRequest(transport="producer") if isinstance(message, wire.Error) else message

        return decoded

    wrap(patch, socket, "decode_message", lenient)


def whatever_is_there(patch: Patch, room: Room) -> None:
    """Any producer and consumer that lives will do, whoever has it."""
    directory = room.scene.world.driver.rooms._directory
    patch.setattr(sending.Sending, "_own", always(next(iter(directory.producers.values()))))
    patch.setattr(receiving.Receiving, "_own", always(next(iter(directory.consumers.values()))))
    video = next(one for one in directory.producers.values() if one.id == room.scene.ids["video"])
    patch.setattr(receiving.Receiving, "_somebody_elses", always(video))


def any_state(patch: Patch, _: Room) -> None:
    """Nobody looks whether it is the time for this."""
    wrap(patch, WebRtcTransport, "connect", instead_of(Conflict, always(None)))

    def ready(consume: Callable[..., Any]) -> Callable[..., Any]:
        def consumed(self: receiving.Receiving, participant: Any, request: Any) -> Generator[Any, Any, object]:  # noqa: ANN401 - handed through
            participant.rtp_capabilities = participant.rtp_capabilities or RtpCapabilities()
            participant.consumers.clear()
            return (yield from consume(self, participant, request))

        return consumed

    wrap(patch, receiving.Receiving, "consume", ready)


def everyone_may(patch: Patch, room: Room) -> None:
    """Everybody has every right."""
    patch.setattr(sending, "may_send", always(True))
    whatever_is_there(patch, room)


def no_limits(patch: Patch, _: Room) -> None:
    """There may be as many as there like, as large as they like."""
    patch.setattr(sending.Sending, "_check_count", always(None))
    for module in (sending, receiving):
        patch.setattr(module, "check_app_data", lambda data: data)


def media_unchecked(patch: Patch, _: Room) -> None:
    """Nobody looks whether what is sent can be forwarded, or agrees with itself."""
    patch.setattr(produce, "_router_codec", lambda _codec, capabilities: capabilities.codecs[0])
    patch.setattr(negotiation, "validate_rtp_parameters", lambda parameters, _kind: parameters)
    wrap(patch, WebRtcTransport, "connect", instead_of(InvalidValue, always(None)))


def half_made(patch: Patch, _: Room) -> None:
    """A stream that is refused by the engine leaves something behind."""
    half_made_by(patch, commands.Produce)


def ids_not_echoed(patch: Patch, _: Room) -> None:
    """An `Error` does not say which request it answers."""

    def changed(make: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: msgspec.structs.replace(make(*args), request_id=msgspec.UNSET)

    wrap(patch, dispatch, "refusal", changed)
    wrap(patch, messages, "_error", changed)


def vague(patch: Patch, _: Room) -> None:
    """An `Error` does not say what is wrong."""

    def changed(make: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: msgspec.structs.replace(make(*args), detail="it is wrong")

    wrap(patch, dispatch, "refusal", changed)
    wrap(patch, messages, "_error", changed)


def _in(*columns: str) -> Callable[[Said], bool]:
    return lambda message: message.column in columns


FAULTS: tuple[MessageFault, ...] = (
    MessageFault("anything is understood", anything_is_understood, _in("no JSON", "wrong shape", "unknown action"), 7),
    MessageFault("whatever is there", whatever_is_there, _in("unknown id", "closed", "id of another")),
    MessageFault("any state", any_state, _in("wrong state")),
    MessageFault("everyone may", everyone_may, _in("without the right")),
    MessageFault("no limits", no_limits, _in("limits", "appData too large")),
    MessageFault("media unchecked", media_unchecked, _in("unsupported", "contradictory")),
    MessageFault("half made", half_made, _in("unsupported")),
    MessageFault(
        "ids not echoed", ids_not_echoed, lambda m: bool(m.action) and m.what != "requestId", 9, everywhere=True
    ),
    MessageFault("vague", vague, lambda m: bool(m.named), 9, everywhere=True),
)
