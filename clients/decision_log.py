"""What a client's network decided, for whoever wants to read it again: entries ready to be JSON, or lines of them.

Each entry has `type`, `client`, and `at`: seconds since the network's start. Types:

- `start`: the `seed`;
- `decision`: `direction`, `number` on its path, what the packet is (`content`, `size`, for RTP `ssrc`, `sequence`,
  `payloadType`, `mimeType`), `fault` and `rule` if there was one, and what the draws said: `delay` (seconds) and, where
  it is so, `lost`, `reordered`, `duplicated` with `copyDelay`, `corrupted`. All but `at` and what the packet is
  are the same in two runs of one seed, as long as the conditions were;
- `queue-drop`: `direction`, `number`, `size`;
- `conditions`: `direction`, and `conditions` from now on;
- `release`: `direction`, and the `number` of a packet that was held;
- `event`: its `name`.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from dataclasses import asdict

import msgspec

from clients.network import Conditions, Decision, Direction, QueueDrop
from clients.network.packets import Content, Seen
from clients.network.plan import LogEntry, LogTarget
from clients.network.rules import FaultRule

_BATCH = 1 << 16
"""Bytes that are kept before they are written."""


class DecisionLog:
    """Tells a target what one client's network does. A file is opened on the first entry, and appended to.

    Args:
        target: a file, or who is told.
        client: whose network it is.
    """

    def __init__(self, target: LogTarget, client: str) -> None:
        self._target = target
        self._client = client
        self._lines = bytearray()

    def start(self, seed: int) -> None:
        """The network begins, with the draws of this seed and client."""
        self._tell("start", 0.0, {"seed": seed})

    def decision(self, at: float, seen: Seen, decision: Decision, rule: FaultRule | None) -> None:
        """What was decided about a packet."""
        entry: dict[str, object] = {"direction": seen.direction.value, "number": seen.number, **_packet(seen)}
        if decision.fault is not None:
            entry["fault"] = decision.fault.value
        if rule is not None and rule.name:
            entry["rule"] = rule.name
        entry["delay"] = decision.delay
        for name in ("lost", "reordered", "duplicated", "corrupted"):
            if getattr(decision, name):
                entry[name] = True
        if decision.duplicated:
            entry["copyDelay"] = decision.copy_delay
        self._tell("decision", at, entry)

    def queue_drop(self, at: float, direction: Direction, drop: QueueDrop) -> None:
        """A queue had no room."""
        self._tell("queue-drop", at, {"direction": direction.value, "number": drop.number, "size": drop.size})

    def conditions(self, at: float, direction: Direction, conditions: Conditions) -> None:
        """They are these from now on."""
        self._tell("conditions", at, {"direction": direction.value, "conditions": asdict(conditions)})

    def release(self, at: float, direction: Direction, number: int) -> None:
        """A packet is held no more."""
        self._tell("release", at, {"direction": direction.value, "number": number})

    def event(self, at: float, name: str) -> None:
        """Something happened."""
        self._tell("event", at, {"name": name})

    def flush(self) -> None:
        """Write what has been kept; other clients may append to the same file."""
        if self._lines and isinstance(self._target, pathlib.Path):
            lines, self._lines = bytes(self._lines), bytearray()
            file = os.open(self._target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(file, lines)
            finally:
                os.close(file)

    def _tell(self, type_: str, at: float, more: Mapping[str, object]) -> None:
        entry: LogEntry = {"type": type_, "client": self._client, "at": round(at, 6), **more}
        if not isinstance(self._target, pathlib.Path):
            self._target(entry)
            return
        self._lines += msgspec.json.encode(entry) + b"\n"
        if len(self._lines) >= _BATCH:
            self.flush()


def _packet(seen: Seen) -> dict[str, object]:
    found: dict[str, object] = {"content": seen.content.value, "size": seen.size}
    if seen.content is Content.RTP:
        found |= {"ssrc": seen.ssrc, "sequence": seen.sequence, "payloadType": seen.payload_type}
        if seen.mime_type:
            found["mimeType"] = seen.mime_type
    if seen.parts:
        found["parts"] = [part.what.value for part in seen.parts]
    return found
