"""Synthetic encoders and their session: frames, layers, key frames, repairs, reports; on invented time."""

from __future__ import annotations

from itertools import pairwise

import pytest

from clients.network import Conditions
from clients.synthetic.audio import SyntheticAudio
from clients.synthetic.packets import find_element, seconds_of_send_time
from clients.synthetic.rtcp import (
    FullIntra,
    Goodbye,
    Nack,
    PictureLoss,
    ReceiverReport,
    Remb,
    ReportBlock,
    SenderReport,
    SourceDescription,
    parse_compound,
)
from clients.synthetic.stamp import Stamp, read_stamp
from clients.synthetic.video import KEY_FRAME_INTERVAL, SyntheticVideo
from clients.synthetic.vp8 import Vp8
from tests.support.synthetic_call import EXTENSIONS, Call

RIDS = ("r0", "r1", "r2")


def stamps(call: Call, ssrc: int) -> list[Stamp]:
    """Of the last packet of each frame that was sent."""
    found = [read_stamp(data, head.end) for _, data, head in call.media(ssrc) if head.marker]
    return [stamp for stamp in found if stamp is not None]


def key_frames(call: Call, ssrc: int) -> list[float]:
    return [at for at, data, head in call.media(ssrc) if Vp8().read(data, head.payload, head.end).key]


def quiet_call() -> Call:
    """Nobody answers by itself."""
    call = Call(nack=False, pli=False, transport_cc=False, rtx=True)
    call.receiver.run = lambda now: []  # type: ignore[method-assign] # a receiver that says nothing
    return call


@pytest.mark.rfc("RFC 3550 5.1")
def test_numbers_and_times_go_on_over_the_wrap_and_each_frame_ends_with_a_marker() -> None:
    call = Call()
    call.send(SyntheticVideo(1, fps=25))
    call.run(10)
    packets = call.media(1000)
    assert len(packets) > 1000
    for (_, _, before), (_, _, after) in pairwise(packets):
        assert after.sequence == (before.sequence + 1) & 0xFFFF
        step = (after.timestamp - before.timestamp) & 0xFFFFFFFF
        assert step == (3600 if before.marker else 0)
    assert call.only.report(call.now).frames.stamped_missing == 0


def test_one_key_frame_begins_and_no_other_comes_unasked() -> None:
    call = Call()
    call.send(SyntheticVideo(1))
    call.run(5)
    assert len(key_frames(call, 1000)) == 1
    assert call.only.report(call.now).frames.key_frames_decoded == 1


@pytest.mark.rfc("RFC 4585 6.3.1")
def test_a_picture_loss_is_answered_with_the_next_frame_and_many_with_one_each_300_ms() -> None:
    call = quiet_call()
    call.send(SyntheticVideo(1))
    call.run(2)
    asked = call.now
    for _ in range(900):
        call.sender.receive_rtcp(PictureLoss(99, 1000).encode(), call.now)
        call.run(0.001)
    first, *rest = [at for at in key_frames(call, 1000) if at > asked]
    assert first - asked <= 0.034
    assert 2 <= len(rest) <= 3
    assert min(after - before for before, after in pairwise([first, *rest])) >= KEY_FRAME_INTERVAL


@pytest.mark.rfc("RFC 5104 4.3.1.2")
def test_a_full_intra_request_is_obeyed_once_for_each_number() -> None:
    call = quiet_call()
    (stream,) = call.send(SyntheticVideo(1))
    for number in (7, 7, 7, 8):
        call.run(1)
        call.sender.receive_rtcp(FullIntra(99, ((1000, number),)).encode(), call.now)
    call.run(1)
    assert len(key_frames(call, 1000)) == 3
    assert stream.counts.firs == 2


@pytest.mark.rfc("RFC 8853 4")
def test_only_the_layer_that_was_asked_for_a_key_frame_sends_one() -> None:
    call = quiet_call()
    call.send(SyntheticVideo(1, rids=RIDS))
    call.run(1)
    call.sender.receive_rtcp(PictureLoss(99, 2000).encode(), call.now)
    call.run(1)
    assert [len(key_frames(call, ssrc)) for ssrc in (1000, 2000, 3000)] == [1, 2, 1]


@pytest.mark.rfc("RFC 4585 6.2.1", "RFC 4588 4")
def test_a_nack_is_answered_over_rtx_with_the_number_and_the_payload_of_the_original() -> None:
    call = quiet_call()
    (stream,) = call.send(SyntheticVideo(1))
    call.run(1)
    _, original, head = call.media(1000)[-10]
    asked = Nack(99, 1000, (head.sequence,)).encode()
    call.sender.receive_rtcp(asked + asked, call.now)
    call.run(0.001)
    ((_, data, rtx),) = call.media(1001)
    assert rtx.payload_type == 97
    assert rtx.timestamp == head.timestamp
    assert rtx.marker == head.marker
    payload = data[rtx.payload : rtx.end]
    assert payload[:2] == head.sequence.to_bytes(2, "big")
    assert payload[2:] == original[head.payload : head.end]
    assert find_element(data, rtx, 1) == b"0"
    assert stream.counts.nacks == 2
    assert stream.counts.nacked_packets == 2
    assert stream.counts.rtx_packets == 1


@pytest.mark.rfc("RFC 4585 6.2.1")
def test_without_rtx_a_packet_is_sent_again_as_it_was() -> None:
    call = quiet_call()
    call.rtx = False
    call.send(SyntheticVideo(1))
    call.run(1)
    sent = len(call.sent)
    _, original, head = call.media(1000)[-10]
    call.sender.receive_rtcp(Nack(99, 1000, (head.sequence,)).encode(), call.now)
    call.run(0.001)
    again = [(data, found) for _, data, found in call.media(1000)[-3:] if found.sequence == head.sequence]
    assert len(call.sent) > sent
    ((data, found),) = again
    assert data[found.payload :] == original[head.payload :]


def test_a_packet_that_is_older_than_two_seconds_or_unknown_is_not_sent_again() -> None:
    call = quiet_call()
    call.send(SyntheticVideo(1, fps=5))
    call.run(1)
    old = call.media(1000)[0][2].sequence
    call.run(2)
    newest = call.media(1000)[-1][2].sequence
    asked = (old, (newest + 1) & 0xFFFF, (newest + 2000) & 0xFFFF)
    call.sender.receive_rtcp(Nack(99, 1000, asked).encode(), call.now)
    call.run(0.01)
    assert call.media(1001) == []


@pytest.mark.rfc("RFC 9143 15.1", "RFC 8852 4.1", "RFC 8852 4.2")
def test_mid_and_rid_are_told_until_a_report_shows_that_the_stream_is_known() -> None:
    call = quiet_call()
    call.send(SyntheticVideo(1, rids=RIDS))
    call.run(0.5)
    assert all(
        find_element(data, head, 1) == b"0" and find_element(data, head, 2) == RIDS[head.ssrc // 1000 - 1].encode()
        for _, data, head in call.media()
    )
    number = call.media(1000)[-1][2].sequence
    call.sender.receive_rtcp(Nack(99, 1000, (number,)).encode(), call.now)
    call.run(0.001)
    ((_, data, head),) = call.media(1001)
    assert find_element(data, head, 3) == b"r0"
    assert find_element(data, head, 2) is None
    call.sender.receive_rtcp(ReceiverReport(99, (ReportBlock(1000),)).encode(), call.now)
    known = call.now
    call.run(0.5)
    later = [(data, head) for at, data, head in call.media() if at > known]
    assert {head.ssrc for data, head in later if find_element(data, head, 2) is not None} == {2000, 3000}
    assert {head.ssrc for data, head in later if find_element(data, head, 2) is None} == {1000}


@pytest.mark.parametrize(
    ("layers", "temporal_ids", "references"),
    [
        (1, [0] * 8, [0] + [1] * 7),
        (2, [0, 1] * 4, [0, 1] + [2, 1] * 3),
        (3, [0, 2, 1, 2] * 2, [0, 1, 2, 1, 4, 1, 2, 1]),
    ],
)
@pytest.mark.rfc("RFC 7741 4.2")
def test_temporal_layers_follow_the_pattern(layers: int, temporal_ids: list[int], references: list[int]) -> None:
    call = Call()
    call.send(SyntheticVideo(1, temporal_layers=layers))
    call.run(0.5)
    sent = stamps(call, 1000)[:8]
    assert [stamp.temporal_id for stamp in sent] == temporal_ids
    assert [stamp.reference for stamp in sent] == references
    firsts = [Vp8().read(data, head.payload, head.end) for _, data, head in call.media(1000)]
    heads = [head for head in firsts if head.starts][:8]
    assert [head.picture_id for head in heads] == list(range(8))
    if layers > 1:
        assert [head.temporal_id for head in heads] == temporal_ids
        bases = [head.base_index for head in heads]
        assert all(
            after - before == (head.temporal_id == 0)
            for before, after, head in zip(bases, bases[1:], heads[1:], strict=False)
        )


def test_a_video_sends_what_it_may_and_a_sound_what_it_needs() -> None:
    call = Call(start=1_000_000)
    call.sender.controller.on_remb(1_000_000)
    call.send(SyntheticVideo(1, temporal_layers=3))
    call.send(SyntheticAudio(1, bitrate=40_000))
    call.run(10)
    video, audio = (sum(len(data) for _, data, _ in call.media(ssrc)) * 8 / 10 for ssrc in (1000, 2000))
    assert video == pytest.approx(960_000, rel=0.08)
    assert audio == pytest.approx(40_000, rel=0.6)
    assert sum(len(data) - head.payload for _, data, head in call.media(2000)) * 8 / 10 == pytest.approx(
        40_000, rel=0.01
    )


@pytest.mark.parametrize(
    ("remb", "layers"), [(3_000_000, [1, 1, 1]), (1_000_000, [1, 1, 0]), (250_000, [1, 0, 0]), (10_000, [1, 0, 0])]
)
def test_a_remb_turns_layers_off_from_the_highest(remb: int, layers: list[int]) -> None:
    call = quiet_call()
    source = SyntheticVideo(1, rids=RIDS)
    call.send(source)
    call.run(1)
    call.sender.receive_rtcp(Remb(99, remb, (3000,)).encode(), call.now)
    call.run(2.5)  # what was queued before leaves first
    began = call.now
    call.run(1)
    assert [int(bool(bitrate)) for bitrate in source.bitrates] == layers
    for ssrc, on in zip((1000, 2000, 3000), layers, strict=True):
        frames = [at for at, _, head in call.media(ssrc) if at > began and head.marker]
        assert len(frames) == pytest.approx(30 * on, abs=1)


def test_a_remb_for_others_is_not_obeyed() -> None:
    call = quiet_call()
    source = SyntheticVideo(1, rids=RIDS)
    call.send(source)
    call.sender.receive_rtcp(Remb(99, 50_000, (4711,)).encode(), call.now)
    call.run(1)
    assert call.sender.rembs == 0
    assert all(source.bitrates)


def test_a_layer_that_comes_back_begins_with_a_key_frame() -> None:
    call = quiet_call()
    call.send(SyntheticVideo(1, rids=RIDS))
    for bitrate in (300_000, 3_000_000, 300_000, 3_000_000):
        call.sender.receive_rtcp(Remb(99, bitrate, (1000,)).encode(), call.now)
        call.run(0.15)
    sent = stamps(call, 3000)
    for before, after in pairwise(sent):
        assert after.reference in (0, after.frame - before.frame)
        assert not after.reference or after.frame - before.frame == 1
    assert sum(not stamp.reference for stamp in sent) >= 2
    assert all(receiver.report(call.now).frames.untrue == 0 for receiver in call.receivers.values())


def test_a_video_that_was_disabled_goes_on_with_a_key_frame() -> None:
    call = Call()
    source = SyntheticVideo(1)
    call.send(source)
    call.run(1)
    source.enabled = False
    call.run(0.1)
    frames = len(stamps(call, 1000))
    call.run(1)
    assert len(stamps(call, 1000)) == frames
    source.enabled = True
    call.run(1)
    assert stamps(call, 1000)[frames].reference == 0
    assert stamps(call, 1000)[frames].frame == frames


def test_video_is_paced_and_sound_passes_it() -> None:
    call = Call(start=1_500_000)
    call.send(SyntheticVideo(1))
    call.send(SyntheticAudio(1))
    call.run(0.015)
    assert 1 <= len(call.media(1000)) <= 8
    call.run(0.05)
    first = [at for at, data, head in call.media(1000) if head.timestamp == call.media(1000)[0][2].timestamp]
    assert first[-1] - first[0] > 0.02
    assert [at for at, _, _ in call.media(2000)] == pytest.approx([1000.001, 1000.02, 1000.04, 1000.06], abs=0.0015)


def test_slots_that_were_missed_are_skipped_with_their_time_and_without_a_hole_in_the_numbers() -> None:
    source = SyntheticVideo(1, fps=10)
    call = Call()
    call.send(source)
    call.run(0.25)
    call.now += 1.0
    call.run(0.25)
    assert source.skipped == 9
    assert [stamp.frame for stamp in stamps(call, 1000)] == list(range(len(stamps(call, 1000))))
    times = [head.timestamp for _, _, head in call.media(1000) if head.marker]
    steps = {(after - before & 0xFFFFFFFF) // 9000 for before, after in pairwise(times)}
    assert steps == {1, 10}


@pytest.mark.rfc("RFC 7587 4.2")
def test_sound_is_made_up_for_after_a_short_stall_and_not_after_a_long_one() -> None:
    source = SyntheticAudio(1)
    call = Call()
    call.send(source)
    call.run(0.1)
    call.now += 0.4
    call.run(0.1)
    assert source.skipped == 0
    assert source.frames == pytest.approx(30, abs=1)
    call.now += 2.0
    call.run(0.1)
    assert source.skipped == pytest.approx(100, abs=1)
    heads = [head for _, _, head in call.media(1000)]
    assert [head.marker for head in heads] == [True] + [False] * (len(heads) - 1)


@pytest.mark.rfc("RFC 6464 3")
def test_the_level_of_a_sound_is_told_and_may_change() -> None:
    source = SyntheticAudio(1, level=-20)
    call = Call()
    call.send(source)
    call.run(0.05)
    source.level = -127
    call.run(0.05)
    levels = [find_element(data, head, 10) for _, data, head in call.media(1000)]
    assert levels == [b"\x94"] * 3 + [b"\x7f"] * 2


@pytest.mark.rfc("RFC 3550 6.4.1", "RFC 3550 6.5.1")
def test_a_sender_report_maps_rtp_time_to_wall_time_for_every_layer() -> None:
    call = Call()
    call.send(SyntheticVideo(1, rids=RIDS))
    call.run(3)
    reports = [(at, r) for at, r in call.reports(SenderReport) if isinstance(r, SenderReport)]
    assert {report.ssrc for _, report in reports} == {1000, 2000, 3000}
    assert len(reports) == 9
    for at, report in reports:
        assert report.ntp / (1 << 32) == pytest.approx(at + 1.7e9 + 2_208_988_800, abs=1e-5)
        times = [(sent, head.timestamp) for sent, _, head in call.media(report.ssrc)]
        nearest = max(sent for sent, _ in times if sent <= at)
        (timestamp, *_) = [timestamp for sent, timestamp in times if sent == nearest]
        elapsed = ((report.timestamp - timestamp) & 0xFFFFFFFF) / 90_000
        assert 0 <= elapsed - (at - nearest) < 0.04
        assert report.packets == sum(sent <= at for sent, _ in times)
    names = [r for _, r in call.reports(SourceDescription) if isinstance(r, SourceDescription)]
    assert names[0].cnames == ((1000, "a"), (2000, "a"), (3000, "a"))


@pytest.mark.rfc("RFC 3550 6.4.1")
def test_the_round_trip_is_measured_by_reports() -> None:
    call = Call(up=Conditions(delay=0.03), down=Conditions(delay=0.05))
    (stream,) = call.send(SyntheticVideo(1))
    call.run(4)
    assert stream.round_trip == pytest.approx(0.08, abs=0.003)
    assert stream.fraction_lost == 0


@pytest.mark.rfc("RFC 3550 6.6")
def test_a_source_that_is_removed_says_goodbye_and_is_silent() -> None:
    call = Call()
    source = SyntheticVideo(1)
    call.send(source)
    call.run(1)
    bye = call.sender.remove(source)
    assert Goodbye((1000, 1001)) in parse_compound(bye)
    call.receiver.receive_rtcp(bye, call.now)
    assert call.only.ended
    sent = len(call.sent)
    call.run(1)
    assert len(call.sent) == sent


def test_every_packet_has_the_next_transport_wide_number_and_the_time_it_left() -> None:
    call = Call(up=Conditions(loss=0.05))
    call.send(SyntheticVideo(1, rids=RIDS))
    call.send(SyntheticAudio(1))
    call.run(2)
    assert EXTENSIONS.wide is not None
    assert EXTENSIONS.send_time is not None
    wides = []
    for at, data, head in call.media():
        value = find_element(data, head, EXTENSIONS.send_time)
        assert value is not None
        assert seconds_of_send_time(value, at) == pytest.approx(at, abs=1e-5)
        wides.append(int.from_bytes(find_element(data, head, EXTENSIONS.wide) or b"", "big"))
    assert wides == list(range(len(wides)))
    assert len(call.media(1001)) + len(call.media(2001)) + len(call.media(3001)) > 0
