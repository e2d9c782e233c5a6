"""Loaded by schemathesis: requests meet what is there; refusals that no schema can foresee are no findings."""

from __future__ import annotations

import re
from typing import Any

import requests
import schemathesis
from schemathesis.generation.meta import TestPhase
from schemathesis.openapi.checks import RejectedPositiveData

UNFORESEEABLE = frozenset(
    {
        "app-data-too-large",
        "incomplete-producer",
        "invalid-dtls-parameters",
        "invalid-encodings",
        "invalid-listen-ip",
        "invalid-remote-address",
        "invalid-room-size",
        "invalid-rtp-capabilities",
        "invalid-rtp-parameters",
        "invalid-srtp-parameters",
        "no-common-codec",
        "srtp-parameters-not-enabled",
        "srtp-parameters-required",
        "unsupported-codec",
        "unsupported-scalability-mode",
        "unsupported-simulcast",
    }
)
"""Problem types of bodies that fit the schema and yet cannot be done, e.g. since they contradict themselves."""

_WELL_FORMED = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[A-Za-z0-9._~-]{1,64}")
_OPUS = {"mimeType": "audio/opus", "payloadType": 111, "clockRate": 48000, "channels": 2}
_MEDIA = {"kind": "audio", "rtpParameters": {"mid": "0", "codecs": [_OPUS], "encodings": [{"ssrc": 1}]}}
_CAPABLE = {"rtpCapabilities": {"codecs": [{**_OPUS, "kind": "audio", "preferredPayloadType": 111}]}}


class Stage:
    """One of everything, made again when a request has ended it."""

    def __init__(self) -> None:
        self._http = requests.Session()
        self._ids: dict[str, str] = {}
        self._turns = 0

    def ids(self, url: str) -> dict[str, str]:
        """What stands for each parameter of a path; nothing every fourth time."""
        self._turns += 1
        if self._turns % 4 == 0:
            return {}
        if not self._ids or not self._alive(url):
            self._ids = self._make(url)
        return self._ids

    def _alive(self, url: str) -> bool:
        ids = self._ids
        inside = f"{url}/sfu/routers/{ids['routerId']}"
        there = (
            f"{inside}/consumers/{ids['consumerId']}",
            f"{inside}/pipe-transports/{ids['pipeTransportId']}",
            f"{url}/sfu/routers/{ids['destinationRouterId']}",
            f"{url}/rooms/{ids['roomId']}/participants/{ids['participantId']}",
        )
        return all(self._http.get(path).ok for path in there)

    def _make(self, url: str) -> dict[str, str]:
        router = self._id(f"{url}/sfu/routers?participantCount=2")
        producer = self._id(f"{url}/sfu/routers/{router}/producers?participantId=ann", _MEDIA)
        consumer = self._id(f"{url}/sfu/routers/{router}/producers/{producer}/consumers?participantId=ben", _CAPABLE)
        pipe = self._id(f"{url}/sfu/routers/{router}/pipe-transports")
        other = self._id(f"{url}/sfu/routers?participantCount=2")
        room = self._id(f"{url}/rooms?roomType=conference&roomSize=9")
        seat = self._id(f"{url}/rooms/{room}/participants/ann?participantType=host&displayName=Ann")
        return {
            "routerId": router,
            "producerId": producer,
            "consumerId": consumer,
            "pipeTransportId": pipe,
            "destinationRouterId": other,
            "roomId": room,
            "participantId": seat,
        }

    def _id(self, url: str, body: Any = None) -> str:  # noqa: ANN401 - any JSON
        response = self._http.post(url, json=body)
        response.raise_for_status()
        return str(response.json()["id"])


STAGE = Stage()


@schemathesis.hook
def before_call(_context: object, case: Any, _kwargs: dict[str, Any]) -> None:  # noqa: ANN401 - schemathesis' own
    """Well-formed ids that were made up become those of something that is there; a stateful scenario has its own."""
    given = case.path_parameters or {}
    if case.meta.phase.name is TestPhase.STATEFUL or not given:
        return
    if all(_WELL_FORMED.fullmatch(str(value)) for value in given.values()):
        found = STAGE.ids(case.operation.base_url.rstrip("/"))
        given.update({name: found[name] for name in given if name in found})


@schemathesis.hook
def filter_failure(_context: object, failure: object, _case: object, response: Any) -> bool:  # noqa: ANN401 - schemathesis' own
    """Everything is a finding but what no schema can say."""
    if not isinstance(failure, RejectedPositiveData):
        return True
    return response.json()["type"].removeprefix("/problems/") not in UNFORESEEABLE
