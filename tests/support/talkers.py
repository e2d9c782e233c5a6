"""People who send audio to an engine, each packet saying how loud it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count

import msgspec

from labsfu.core.rtp.extensions import encode_extensions
from labsfu.core.rtp.packet import encode_packet
from labsfu.wire import commands
from labsfu.wire.events import ActiveSpeaker, AudioLevels
from labsfu.wire.ids import ParticipantId, ProducerId
from labsfu.wire.observers import RouterActiveSpeakerPayload, RouterAudioLevelPayload
from labsfu.wire.rtp import MediaKind, RtpParameters
from tests.support.lab import Lab
from tests.support.media import AUDIO_LEVEL_URI, audio_parameters

SILENT = 127


class Talker:
    """A participant with one producer of audio on a transport of its own; `levels` are -dBov, None: says nothing."""

    def __init__(
        self,
        lab: Lab,
        name: str,
        *,
        told: bool = True,
        paused: bool = False,
        first_sequence: int = 0,
        first_timestamp: int = 0,
    ) -> None:
        self.lab = lab
        self.name = ParticipantId(name)
        self.peer, self.transport_id = lab.connected_peer()
        self.ssrc = 1000 + len(lab.peers)
        parameters = audio_parameters(self.ssrc) if told else without_level(audio_parameters(self.ssrc))
        command = commands.Produce(
            router_id=lab.router,
            transport_id=self.transport_id,
            participant_id=self.name,
            kind=MediaKind.AUDIO,
            rtp_parameters=parameters,
            paused=paused,
        )
        self.id: ProducerId = lab.do(command, commands.Produced).producer_id
        self._numbers = count(first_sequence)
        self._timestamp = first_timestamp

    def packet(self, level: int | None, *, voice: bool = False) -> bytes:
        """The next packet."""
        octet = b"" if level is None else bytes(((0x80 if voice else 0) | level,))
        self._timestamp += 960
        return encode_packet(
            b"\x78opus",
            payload_type=111,
            sequence_number=next(self._numbers) & 0xFFFF,
            timestamp=self._timestamp & 0xFFFFFFFF,
            ssrc=self.ssrc,
            extensions=encode_extensions([(4, b"a"), *([(1, octet)] if octet else [])]),
        )

    def say(self, *levels: int | None) -> None:
        """Send packets at once."""
        for level in levels:
            self.peer.send_rtp(self.packet(level))
        self.lab.pump()


def without_level(parameters: RtpParameters) -> RtpParameters:
    kept = tuple(extension for extension in parameters.header_extensions if extension.uri != AUDIO_LEVEL_URI)
    return msgspec.structs.replace(parameters, header_extensions=kept)


def talk(lab: Lab, seconds: float, said: Mapping[Talker, int | Sequence[int]]) -> None:
    """Let each send a packet every 20 ms: always of one level, or of several in turn."""
    for frame in range(round(seconds / 0.02)):
        for talker, levels in said.items():
            talker.say(levels if isinstance(levels, int) else levels[frame % len(levels)])
        lab.advance(0.02)


def speakers(lab: Lab) -> list[str | None]:
    """Who was told to speak, one after the other."""
    told = [event for event in lab.events if isinstance(event, ActiveSpeaker)]
    return [event.participant_id if isinstance(event.participant_id, str) else None for event in told]


def told_levels(lab: Lab) -> list[dict[str, int]]:
    """What was told of levels, one interval after the other."""
    told: Iterable[AudioLevels] = (event for event in lab.events if isinstance(event, AudioLevels))
    return [{level.participant_id: level.volume for level in event.levels} for event in told]


def levels_now(lab: Lab) -> RouterAudioLevelPayload:
    return lab.do(commands.GetAudioLevels(router_id=lab.router), commands.AudioLevelsShown).audio_levels


def speaker_now(lab: Lab) -> RouterActiveSpeakerPayload:
    return lab.do(commands.GetActiveSpeaker(router_id=lab.router), commands.ActiveSpeakerShown).active_speaker
