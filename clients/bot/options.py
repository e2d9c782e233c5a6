"""What a bot is asked to do: words of a command line, read; each wrong one is named in one line."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from clients.media.pattern import check_size
from clients.media.tracks import SIZES
from clients.network import NetworkPlan
from clients.server_url import read_url
from clients.synthetic.layers import SIMULCAST
from labsfu.errors import InvalidValue
from labsfu.wire.base import ABSENT
from labsfu.wire.ids import ParticipantId, RoomId, check_token
from labsfu.wire.rtp import ConsumerLayers

PICTURES = ("none", "pattern", "screen")
"""What `--video` can be besides a file."""
SOUNDS = ("none", "tone")
"""What `--audio` can be besides a file."""
_MOST_PIXELS = 3840 * 2160
_MOST_FPS = 60.0
_LONGEST_ID = 64
_HIGHEST_LAYER = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The command line as it was written; None: left out."""

    url: str
    room: str
    name: str
    video: str | None = None
    audio: str | None = None
    network: str | None = None
    seed: str | None = None
    synthetic: bool = False
    layers: str | None = None
    prefer: str | None = None
    size: str | None = None
    fps: str | None = None
    seconds: str | None = None
    json: bool = False
    pcap: str | None = None
    token: str | None = None
    ca: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BotOptions:
    """What a bot is asked to do.

    Attributes:
        url: of the server.
        room: to join, made if need be.
        name: as others see it.
        participant_id: made of the name.
        token: of the server; None: it wants none.
        ca: file with the certificates that are trusted; None: whom the system trusts.
        video: one of `PICTURES`, or a file.
        audio: one of `SOUNDS`, or a file.
        synthetic: send made-up media, and decode nothing.
        layers: how many encodings of the made-up picture, 1 to 3; None: one, without rid.
        prefer: the highest layers to be received; None: the highest there are.
        size: width and height of the pictures; None: what suits them.
        fps: pictures a second; None: what suits them.
        seconds: how long to stay; None: until told to leave.
        network: its name and what it does; None: the one there is.
        json: print objects, not tables.
        pcap: where the decrypted packets go; None: nowhere.
    """

    url: str
    room: RoomId
    name: str
    participant_id: ParticipantId
    token: str | None
    ca: Path | None
    video: str
    audio: str
    synthetic: bool
    layers: int | None
    prefer: ConsumerLayers | None
    size: tuple[int, int] | None
    fps: float | None
    seconds: float | None
    network: tuple[str, NetworkPlan] | None
    json: bool
    pcap: Path | None


def read_options(words: Words) -> BotOptions:
    """Read a command line.

    Raises:
        InvalidValue: a word is wrong, or two do not go together; the detail names them.
    """
    video, audio = words.video or "pattern", words.audio or "tone"
    _check_together(words, video, audio)
    return BotOptions(
        url=read_url(words.url),
        room=RoomId(check_token("room", words.room)),
        name=_name(words.name),
        participant_id=_participant_id(words.name),
        token=words.token,
        ca=None if words.ca is None else Path(words.ca),
        video=video,
        audio=audio,
        synthetic=words.synthetic,
        layers=None if words.layers is None else _layers(words.layers),
        prefer=None if words.prefer is None else _prefer(words.prefer),
        size=None if words.size is None else _size(words.size),
        fps=None if words.fps is None else _number("--fps", words.fps, 1.0, _MOST_FPS),
        seconds=None if words.seconds is None else _number("--seconds", words.seconds, 0.0, float("inf")),
        network=_network(words.network, words.seed),
        json=words.json,
        pcap=None if words.pcap is None else Path(words.pcap),
    )


def _check_together(words: Words, video: str, audio: str) -> None:
    if words.synthetic:
        if video not in ("none", "pattern"):
            raise InvalidValue(f"--synthetic makes its pictures up: --video {video} does not go with it")
        if audio not in SOUNDS:
            raise InvalidValue(f"--synthetic makes its sound up: --audio {audio} does not go with it")
        if words.size is not None:
            raise InvalidValue("--synthetic has no pictures: --size does not go with it")
    elif words.layers is not None:
        raise InvalidValue("--layers is about made-up pictures: it goes with --synthetic only")
    if video == "none":
        for flag, value in (("--size", words.size), ("--fps", words.fps), ("--layers", words.layers)):
            if value is not None:
                raise InvalidValue(f"{flag} is about pictures: it does not go with --video none")
    if words.ca is not None and not words.url.startswith("https:"):
        raise InvalidValue(f"--ca says whom to trust: it goes with https:// only, not with {words.url}")
    if words.seed is not None and words.network is None:
        raise InvalidValue("--seed decides what a --network does: give one")


def _name(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise InvalidValue("--name is empty, or cannot be printed")
    return text.strip()


def _participant_id(name: str) -> ParticipantId:
    """The name as an id: what no id may have is a hyphen."""
    return ParticipantId(re.sub(r"[^A-Za-z0-9._~-]+", "-", name.strip()).strip("-")[:_LONGEST_ID] or "bot")


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", text)
    if text in SIZES:
        return SIZES[text]
    if found is None:
        raise InvalidValue(f"--size {text} is neither like 640x360 nor one of {', '.join(SIZES)}")
    width, height = int(found[1]), int(found[2])
    try:
        check_size(width, height)
    except ValueError as error:
        raise InvalidValue(f"--size {text}: {error}") from None
    if width * height > _MOST_PIXELS:
        raise InvalidValue(f"--size {text} is larger than 3840x2160")
    return width, height


def _layers(text: str) -> int:
    if re.fullmatch(r"[0-9]", text) is None or not 1 <= int(text) <= len(SIMULCAST):
        raise InvalidValue(f"--layers {text} is not 1 to {len(SIMULCAST)}")
    return int(text)


def _prefer(text: str) -> ConsumerLayers:
    found = re.fullmatch(r"([0-9]{1,3})(?::([0-9]{1,3}))?", text)
    numbers = () if found is None else tuple(int(number) for number in found.groups() if number is not None)
    if not numbers or max(numbers) > _HIGHEST_LAYER:
        raise InvalidValue(
            f"--prefer {text} is neither a spatial layer, like 1, nor one with a temporal layer, like 1:0"
        )
    return ConsumerLayers(spatial_layer=numbers[0], temporal_layer=numbers[1] if len(numbers) > 1 else ABSENT)


def _number(flag: str, text: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        raise InvalidValue(f"{flag} {text} is not a number") from None
    if not isfinite(value) or value < least or value > most or value == 0.0:
        bounds = f"{least:g} to {most:g}" if isfinite(most) else f"more than {least:g}"
        raise InvalidValue(f"{flag} {text} is not {bounds}")
    return value


def _network(name: str | None, seed: str | None) -> tuple[str, NetworkPlan] | None:
    if name is None:
        return None
    if seed is None:
        number = random.randrange(1 << 16)
    elif re.fullmatch(r"[0-9]{1,18}", seed):
        number = int(seed)
    else:
        raise InvalidValue(f"--seed {seed} is not a whole number")
    return name, NetworkPlan.of(name, seed=number)
