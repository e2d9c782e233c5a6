"""Refusals that several routes below `/sfu` share."""

from __future__ import annotations

from labsfu.api.routing import Refusal

NO_ROUTER = Refusal(404, "router-not-found")
NO_PRODUCER = Refusal(404, "producer-not-found")
NO_CONSUMER = Refusal(404, "consumer-not-found")
NO_PIPE_TRANSPORT = Refusal(404, "pipe-transport-not-found")

SHARED = Refusal(409, "transport-shared")
"""A room made it: its transport is its participant's; or it goes over a pipe."""

NO_TRANSPORT_LEFT = Refusal(409, "too-many-transports")
TOO_MANY_STREAMS = Refusal(409, "too-many-streams")

BAD_DTLS = (Refusal(400, "invalid-dtls-parameters"), Refusal(409, "transport-already-connected"))
BAD_RTP = (Refusal(400, "invalid-rtp-parameters"),)
UNSUPPORTED_MEDIA = (
    Refusal(422, "unsupported-codec"),
    Refusal(422, "unsupported-scalability-mode"),
    Refusal(422, "unsupported-simulcast"),
)
