"""An engine hears its audio producers: who is loud, and who speaks (RFC 6464)."""

from __future__ import annotations

import pytest

from labsfu.core.rtp.extensions import encode_extensions
from labsfu.core.rtp.packet import encode_packet
from labsfu.errors import NotFound
from labsfu.wire import commands
from labsfu.wire.base import ABSENT
from labsfu.wire.events import ActiveSpeaker, AudioLevels, ProducerClosed, ProducerPaused
from labsfu.wire.ids import RouterId
from labsfu.wire.observers import AudioLevel, RouterActiveSpeakerPayload
from labsfu.wire.sfu import EncodingUpdate
from tests.support.lab import UNIX_START, Lab
from tests.support.media import produce, video_packet, video_parameters
from tests.support.talkers import SILENT, Talker, levels_now, speaker_now, speakers, talk, told_levels

SPEECH = (25, 28, 22, 24, 30, 45, 65, 26, 22, 24, 27, 40)
"""-dBov: two syllables."""


def two() -> tuple[Lab, Talker, Talker]:
    lab = Lab()
    return lab, Talker(lab, "ann"), Talker(lab, "bob")


@pytest.mark.rfc("RFC 6464 3")
def test_who_is_loud_is_told_every_second_the_loudest_first() -> None:
    lab, ann, bob = two()
    talk(lab, 2.1, {ann: (40, 42), bob: 30})
    event = next(event for event in lab.events if isinstance(event, AudioLevels))
    assert event == AudioLevels(
        router_id=lab.router,
        levels=(
            AudioLevel(producer_id=bob.id, participant_id=bob.name, volume=-30),
            AudioLevel(producer_id=ann.id, participant_id=ann.name, volume=-41),
        ),
        silent=False,
    )
    assert len(told_levels(lab)) == 2


def test_that_it_got_silent_is_told_once() -> None:
    lab, ann, _ = two()
    talk(lab, 1.1, {ann: 30})
    talk(lab, 5.0, {ann: SILENT})
    assert told_levels(lab) == [{"ann": -30}, {}]
    assert [event.silent for event in lab.events if isinstance(event, AudioLevels)] == [False, True]


def test_the_levels_can_be_asked_for_with_the_time_that_they_are_of() -> None:
    lab, ann, _ = two()
    made = round(UNIX_START * 1000)
    before = levels_now(lab)
    assert (before.levels, before.silent, before.at) == ((), True, made)
    talk(lab, 1.1, {ann: 30})
    now = levels_now(lab)
    assert now.router_id == lab.router
    assert [(level.producer_id, level.volume) for level in now.levels] == [(ann.id, -30)]
    assert not now.silent
    assert now.at == made + 1000


def test_who_speaks_is_told_and_can_be_asked_for() -> None:
    lab, ann, bob = two()
    assert speaker_now(lab) == RouterActiveSpeakerPayload(router_id=lab.router)
    talk(lab, 2.0, {ann: SPEECH, bob: 65})
    talk(lab, 2.0, {ann: 65, bob: SPEECH})
    told = [event for event in lab.events if isinstance(event, ActiveSpeaker)]
    assert told == [
        ActiveSpeaker(router_id=lab.router, producer_id=ann.id, participant_id=ann.name),
        ActiveSpeaker(router_id=lab.router, producer_id=bob.id, participant_id=bob.name),
    ]
    shown = speaker_now(lab)
    assert (shown.producer_id, shown.participant_id) == (bob.id, bob.name)
    assert shown.since is not None
    assert 2400 <= shown.since - round(UNIX_START * 1000) <= 3000


def test_after_ten_seconds_without_speech_nobody_speaks() -> None:
    lab, ann, _ = two()
    talk(lab, 2.0, {ann: SPEECH})
    lab.advance(12)
    told = [event for event in lab.events if isinstance(event, ActiveSpeaker)]
    assert (told[-1].producer_id, told[-1].participant_id) == (ABSENT, ABSENT)
    assert speaker_now(lab) == RouterActiveSpeakerPayload(router_id=lab.router)


@pytest.mark.rfc("RFC 6464 4")
def test_who_did_not_negotiate_the_extension_is_not_heard() -> None:
    lab = Lab()
    talk(lab, 3.0, {Talker(lab, "ann", told=False): SPEECH})
    assert speakers(lab) == []
    assert told_levels(lab) == []


@pytest.mark.rfc("RFC 6464 3")
def test_a_packet_without_the_element_or_with_a_wrong_one_tells_nothing() -> None:
    lab, ann, _ = two()
    for frame in range(100):
        wrong = encode_extensions([(4, b"a"), (1, b"\x10\x10")])
        ann.peer.send_rtp(
            encode_packet(
                b"\x78opus", payload_type=111, sequence_number=2 * frame, timestamp=0, ssrc=ann.ssrc, extensions=wrong
            )
        )
        ann.peer.send_rtp(
            encode_packet(b"\x78opus", payload_type=111, sequence_number=2 * frame + 1, timestamp=0, ssrc=ann.ssrc)
        )
        lab.advance(0.02)
    assert (speakers(lab), told_levels(lab)) == ([], [])


@pytest.mark.rfc("RFC 6464 3")
@pytest.mark.parametrize("voice", [True, False])
def test_the_level_decides_whatever_the_sender_takes_it_for(voice: bool) -> None:
    lab, ann, bob = two()
    for frame in range(100):
        ann.peer.send_rtp(ann.packet(SPEECH[frame % len(SPEECH)], voice=voice))
        bob.peer.send_rtp(bob.packet(70, voice=not voice))
        lab.advance(0.02)
    assert speakers(lab) == ["ann"]
    assert told_levels(lab)[0]["bob"] == -70


def test_a_packet_counts_once_however_often_it_comes() -> None:
    lab, ann, _ = two()
    for frame in range(51):
        loud = frame % 2 == 0
        packet = ann.packet(20 if loud else 40)
        for _ in range(3 if loud else 1):
            ann.peer.lab.send(ann.peer.address, ann.peer.protect(packet))
        lab.advance(0.02)
    assert told_levels(lab) == [{"ann": -30}]


def test_a_packet_that_comes_late_is_not_heard() -> None:
    lab, ann, _ = two()
    for _ in range(26):
        late, after = ann.packet(10), ann.packet(40)
        ann.peer.send_rtp(after)
        ann.peer.send_rtp(late)
        lab.advance(0.04)
    assert told_levels(lab) == [{"ann": -40}]


def test_a_packet_of_an_unknown_payload_type_is_not_heard() -> None:
    lab, ann, _ = two()
    for frame in range(100):
        ann.say(SILENT)
        packet = bytearray(ann.packet(SPEECH[frame % len(SPEECH)]))
        packet[1] = 100
        ann.peer.send_rtp(bytes(packet))
        lab.advance(0.02)
    assert (speakers(lab), told_levels(lab)) == ([], [])


def test_sequence_numbers_and_timestamps_may_wrap() -> None:
    lab = Lab()
    ann = Talker(lab, "ann", first_sequence=65_500, first_timestamp=0xFFFFFF00)
    talk(lab, 2.1, {ann: SPEECH})
    assert speakers(lab) == ["ann"]
    assert len(told_levels(lab)) == 2


def test_video_is_not_heard() -> None:
    lab = Lab()
    sender, transport = lab.connected_peer()
    produce(lab, transport, video_parameters())
    for number in range(20):
        sender.send_rtp(video_packet(number))
        lab.advance(0.1)
    assert (speakers(lab), told_levels(lab)) == ([], [])


# ---------------------------------------------------------------- coming and going


def set_paused(talker: Talker, paused: bool) -> None:
    command = commands.PauseProducer if paused else commands.ResumeProducer
    talker.lab.do(command(router_id=talker.lab.router, producer_id=talker.id), commands.Done)


def test_who_pauses_is_not_heard_and_speaks_no_more() -> None:
    lab, ann, bob = two()
    talk(lab, 2.0, {ann: SPEECH, bob: 60})
    set_paused(ann, True)
    assert speakers(lab) == ["ann", None]
    kinds = [type(event) for event in lab.events if isinstance(event, ProducerPaused | ActiveSpeaker)]
    assert kinds == [ActiveSpeaker, ProducerPaused, ActiveSpeaker]
    talk(lab, 3.0, {ann: SPEECH, bob: 60})
    assert speakers(lab) == ["ann", None]
    assert told_levels(lab)[-1] == {"bob": -60}


def test_who_resumes_is_heard_again_from_then_on() -> None:
    lab, ann, _ = two()
    talk(lab, 2.0, {ann: SPEECH})
    set_paused(ann, True)
    talk(lab, 1.0, {ann: SPEECH})
    set_paused(ann, False)
    assert speakers(lab) == ["ann", None]
    talk(lab, 1.5, {ann: SPEECH})
    assert speakers(lab) == ["ann", None, "ann"]


def test_who_is_paused_from_the_beginning_is_heard_once_he_resumes() -> None:
    lab = Lab()
    ann = Talker(lab, "ann", paused=True)
    talk(lab, 2.0, {ann: SPEECH})
    assert speakers(lab) == []
    set_paused(ann, False)
    talk(lab, 2.0, {ann: SPEECH})
    assert speakers(lab) == ["ann"]


def test_who_switches_the_encoding_off_is_not_heard() -> None:
    lab, ann, _ = two()
    talk(lab, 2.0, {ann: SPEECH})
    for active in (False, True):
        update = commands.UpdateProducer(
            router_id=lab.router, producer_id=ann.id, encodings=(EncodingUpdate(active=active),)
        )
        lab.do(update, commands.ProducerShown)
        talk(lab, 2.0, {ann: SPEECH})
        assert speakers(lab) == ["ann", None, *(["ann"] if active else [])]


def test_when_the_speaker_is_closed_nobody_speaks() -> None:
    lab, ann, _ = two()
    talk(lab, 2.0, {ann: SPEECH})
    lab.do(commands.CloseProducer(router_id=lab.router, producer_id=ann.id), commands.Done)
    assert [type(event) for event in lab.events[-2:]] == [ProducerClosed, ActiveSpeaker]
    assert levels_now(lab).levels == ()
    assert speaker_now(lab).producer_id is None


def test_another_router_hears_its_own_people_only() -> None:
    lab, ann, _ = two()
    other = lab.do(commands.CreateRouter(), commands.RouterCreated).router_id
    talk(lab, 2.0, {ann: SPEECH})
    shown = lab.do(commands.GetActiveSpeaker(router_id=other), commands.ActiveSpeakerShown).active_speaker
    assert shown == RouterActiveSpeakerPayload(router_id=other)
    assert lab.do(commands.GetAudioLevels(router_id=other), commands.AudioLevelsShown).audio_levels.silent


@pytest.mark.parametrize("command", [commands.GetActiveSpeaker, commands.GetAudioLevels])
def test_a_router_that_is_not_there_has_no_speaker(command: type[commands.GetActiveSpeaker]) -> None:
    with pytest.raises(NotFound):
        Lab().engine.execute(command(router_id=RouterId("nowhere")), 0)


# ---------------------------------------------------------------- what it costs


def wakings(lab: Lab, seconds: float) -> int:
    """How often routers want to be looked at in a while, without packets."""
    timers = lab.engine._tables.router_timers
    count, end = 0, lab.now + seconds
    while (at := timers.deadline()) is not None and at <= end:
        count += 1
        lab.engine.tick(at)
    lab.drain()
    return count


def test_the_engine_wants_to_be_called_when_a_router_does() -> None:
    lab, ann, _ = two()
    for _ in range(50):
        ann.say(25)
        wanted, routers = lab.engine.deadline(), lab.engine._tables.router_timers.deadline()
        assert wanted is not None
        assert routers is not None
        assert wanted <= routers
        lab.advance(0.02)


def test_a_router_in_which_nobody_is_heard_is_never_woken() -> None:
    lab, ann, bob = two()
    talk(lab, 2.0, {ann: SILENT, bob: 100})
    assert wakings(lab, 3600) == 0


def test_a_router_that_got_silent_is_left_alone_once_that_was_told() -> None:
    lab, ann, _ = two()
    talk(lab, 2.0, {ann: SPEECH})
    assert 0 < wakings(lab, 20) < 80
    assert wakings(lab, 3600) == 0
    assert (speakers(lab), told_levels(lab)[-1]) == (["ann", None], {})


def test_a_router_that_is_closed_while_somebody_speaks_is_never_woken() -> None:
    lab, ann, _ = two()
    talk(lab, 2.0, {ann: SPEECH})
    lab.do(commands.CloseRouter(router_id=lab.router), commands.Done)
    assert wakings(lab, 3600) == 0
    assert speakers(lab) == ["ann", None]
