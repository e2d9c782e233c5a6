"""Text frames of a client as messages; what does not fit becomes the `Error` that says why."""

from __future__ import annotations

from typing import get_args

import msgspec

from labsfu.wire import socket as wire
from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.payloads import problem_type

_DECODER: msgspec.json.Decoder[wire.ClientMessage] = msgspec.json.Decoder(wire.ClientMessage)
_ACTIONS = frozenset(str(type_.__struct_config__.tag) for type_ in get_args(wire.ClientMessage))


def decode_message(text: str) -> wire.ClientMessage | wire.Error:
    """Decode one frame, strictly; unknown fields are ignored."""
    try:
        try:
            return _DECODER.decode(text)
        except msgspec.ValidationError as error:
            return _error_of_shape(msgspec.json.decode(text), str(error))
    except (msgspec.DecodeError, UnicodeError) as error:
        return _error("", ABSENT, "not-json", f"message is not JSON: {error}")
    except RecursionError:
        return _error("", ABSENT, "not-json", "message is nested too deep")


def refuse_message(text: str, slug: str, detail: str) -> wire.Error:
    """The refusal of a message whatever it says: it names the action and the request, if there are such."""
    message = decode_message(text)
    if isinstance(message, wire.Error):
        return _error(message.request_action, message.request_id, slug, detail)
    return _error(str(type(message).__struct_config__.tag), message.request_id, slug, detail)


def _error_of_shape(value: object, detail: str) -> wire.Error:
    """It is JSON; find out how much of it makes sense."""
    if not isinstance(value, dict):
        return _error("", ABSENT, "wrong-shape", detail)
    action, request_id = value.get("action"), value.get("requestId", ABSENT)
    if isinstance(request_id, bool) or not isinstance(request_id, str | int):
        request_id = ABSENT
    if not isinstance(action, str):
        return _error("", request_id, "wrong-shape", detail)
    if action not in _ACTIONS:
        return _error(action, request_id, "unknown-action", f"there is no action '{action}'")
    return _error(action, request_id, "wrong-shape", detail)


def _error(action: str, request_id: wire.RequestId | Absent, slug: str, detail: str) -> wire.Error:
    return wire.Error(request_action=action, request_id=request_id, type=problem_type(slug), detail=detail)
