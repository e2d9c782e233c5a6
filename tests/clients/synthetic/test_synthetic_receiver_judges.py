"""Synthetic receivers: what they count, ask for and hold against a stream; on invented time."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from clients.network import Conditions, Fault
from clients.synthetic.audio import SyntheticAudio
from clients.synthetic.packets import read_rtp
from clients.synthetic.rtcp import Nack, PictureLoss, ReceiverReport, Remb, is_rtcp
from clients.synthetic.transport_cc import TransportFeedback
from clients.synthetic.video import SyntheticVideo
from clients.synthetic.vp8 import Vp8
from tests.support.synthetic_call import Call

ROUND_TRIP = Conditions(delay=0.03)


def loses(*indexes: int, ssrc: int = 1000) -> Callable[[bytes, float], bytes | None]:
    """An edit that loses the packets of a stream at these places, retransmissions not counted."""
    seen = 0

    def edit(data: bytes, _: float) -> bytes | None:
        nonlocal seen
        if is_rtcp(data) or read_rtp(data).ssrc != ssrc:
            return data
        seen += 1
        return None if seen - 1 in indexes else data

    return edit


def loses_frames(wanted: Callable[[int], bool]) -> Callable[[bytes, float], bytes | None]:
    """An edit that leaves out all frames of the temporal layers that are not wanted, and closes the gap in numbers."""
    dropped = 0

    def edit(data: bytes, _: float) -> bytes | None:
        nonlocal dropped
        if is_rtcp(data):
            return data
        head = read_rtp(data)
        if not wanted(Vp8().read(data, head.payload, head.end).temporal_id):
            dropped += 1
            return None
        number = (head.sequence - dropped) & 0xFFFF
        return data[:2] + number.to_bytes(2, "big") + data[4:]

    return edit


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_over_a_perfect_path_every_frame_is_decoded_when_its_last_packet_comes(layers: int) -> None:
    call = Call(up=Conditions(delay=0.04))
    source = SyntheticVideo(7, temporal_layers=layers)
    call.send(source)
    call.run(5)
    report = call.only.report(call.now)
    frames = report.frames
    assert frames.frames_decoded == pytest.approx(source.frames, abs=3)
    assert frames.stamped_missing == frames.untrue == frames.picture_id_jumps == frames.frames_dropped == 0
    assert frames.stamped_sources == {7: frames.frames_decoded}
    assert frames.frames_per_second == pytest.approx(30, abs=1)
    assert frames.freeze_count == 0
    assert frames.latency_p50 is not None
    assert 0.04 <= frames.latency_p50 < 0.06
    assert report.packets_lost == report.packets_duplicated == report.packets_reordered == 0
    assert report.nack_count == report.pli_count == 0


@pytest.mark.rfc("RFC 4588 4", "RFC 4585 6.2.1")
@pytest.mark.parametrize("layers", [1, 3])
def test_lost_packets_are_asked_for_and_every_frame_is_decoded(layers: int) -> None:
    call = Call(up=Conditions(delay=0.03, loss=0.03), down=ROUND_TRIP)
    call.send(SyntheticVideo(7, temporal_layers=layers))
    call.run(10)
    call.path.conditions = Conditions(delay=0.03)
    call.run(1)
    report = call.only.report(call.now)
    assert report.retransmitted_packets_received > 20
    assert report.nack_count > 20
    assert report.packets_lost <= 2
    assert report.frames.untrue == 0
    assert report.frames.stamped_missing <= (0 if layers == 1 else 4)


@pytest.mark.rfc("RFC 4585 6.2.1")
def test_a_nack_waits_for_reordering_and_is_repeated_once_a_round_trip_until_it_is_given_up() -> None:
    call = Call(up=ROUND_TRIP, down=Conditions(delay=0.03, loss=0.999), edit=loses(100))
    call.send(SyntheticVideo(7))
    call.run(3)
    nacks = [(at, nack) for at, nack in call.reports(Nack, back=True) if isinstance(nack, Nack)]
    assert len(nacks) == 10
    assert {nack.sequences for _, nack in nacks} == {((65_500 + 100) & 0xFFFF,)}
    came = call.media(1000)[101][0] + 0.03
    assert nacks[0][0] - came == pytest.approx(0.01, abs=0.002)
    assert nacks[1][0] - nacks[0][0] == pytest.approx(0.125, abs=0.002)
    plis = call.reports(PictureLoss, back=True)
    assert plis
    assert plis[0][0] <= nacks[-1][0] + 0.2


def test_a_stream_without_nack_asks_for_a_key_frame_and_goes_on_with_it() -> None:
    call = Call(up=ROUND_TRIP, down=ROUND_TRIP, nack=False, edit=loses(100))
    call.send(SyntheticVideo(7))
    call.run(3)
    report = call.only.report(call.now)
    assert report.nack_count == 0
    assert report.packets_lost == 1
    assert report.pli_count == 1
    assert report.frames.key_frames_decoded == 2
    assert report.frames.untrue == 0
    assert 2 <= report.frames.stamped_missing <= 12
    assert report.frames.freeze_count == 1
    assert 0.15 < report.frames.longest_gap < 0.4
    assert report.frames.total_freezes_duration == pytest.approx(report.frames.longest_gap)


def test_who_comes_late_asks_for_a_key_frame_after_200_ms() -> None:
    waiting = True
    call = Call(up=ROUND_TRIP, down=ROUND_TRIP, edit=lambda data, _: None if waiting else data)
    call.send(SyntheticVideo(7))
    call.run(2)
    waiting = False
    began = call.now
    call.run(1)
    ((asked, _),) = call.reports(PictureLoss, back=True)
    assert asked - began == pytest.approx(0.25, abs=0.05)
    frames = call.only.report(call.now).frames
    assert frames.first_frame_at is not None
    assert frames.first_frame_at - asked < 0.12
    assert frames.untrue == 0


def test_a_standstill_is_asked_out_of_again_and_again() -> None:
    call = Call(up=ROUND_TRIP, edit=loses(*range(100, 103)))
    call.send(SyntheticVideo(7))
    call.back.conditions = Conditions(loss=0.999)
    call.run(4)
    plis = [at for at, _ in call.reports(PictureLoss, back=True)]
    assert 4 <= len(plis) <= 8
    assert min(after - before for before, after in pairwise(plis)) >= 0.5


@pytest.mark.rfc("RFC 7741 4.2")
@pytest.mark.parametrize(("layers", "kept", "share"), [(2, 0, 1 / 2), (3, 0, 1 / 4), (3, 1, 1 / 2)])
def test_temporal_layers_that_an_sfu_leaves_out_are_not_missed(layers: int, kept: int, share: float) -> None:
    call = Call(edit=loses_frames(lambda temporal: temporal <= kept))
    source = SyntheticVideo(7, temporal_layers=layers)
    call.send(source)
    call.run(4)
    report = call.only.report(call.now)
    assert report.frames.frames_decoded == pytest.approx(source.frames * share, abs=2)
    assert set(report.frames.stamped_temporal) == set(range(kept + 1))
    assert report.frames.untrue == 0
    assert report.packets_lost == 0
    assert report.frames.picture_id_jumps > 10
    assert report.pli_count == 0


def test_a_lie_about_references_is_found_out() -> None:
    """A delta frame is left out, and the gap is closed: by RTP alone nothing is wrong."""
    times: list[int] = []
    dropped = 0

    def edit(data: bytes, _: float) -> bytes | None:
        nonlocal dropped
        if is_rtcp(data):
            return data
        head = read_rtp(data)
        if head.timestamp not in times:
            times.append(head.timestamp)
        if len(times) == 20:
            dropped += 1
            return None
        return data[:2] + (head.sequence - dropped & 0xFFFF).to_bytes(2, "big") + data[4:]

    call = Call(edit=edit)
    call.send(SyntheticVideo(7))
    call.run(2)
    report = call.only.report(call.now)
    assert dropped
    assert report.packets_lost == 0
    assert report.frames.stamped_missing == report.frames.untrue == report.frames.picture_id_jumps == 1


@pytest.mark.rfc("RFC 3550 A.3")
def test_duplicates_and_late_packets_are_counted_and_change_nothing() -> None:
    call = Call(up=Conditions(delay=0.03, duplicate=0.1, reorder=0.05, reorder_delay=0.004))
    source = SyntheticVideo(7, temporal_layers=3)
    call.send(source)
    call.run(5)
    report = call.only.report(call.now)
    counts = call.path.counts
    assert report.packets_duplicated > 50
    assert report.packets_duplicated == pytest.approx(counts.duplicated, rel=0.2)
    assert report.packets_reordered > 10
    assert report.nack_count == 0
    assert report.packets_lost == 0
    assert report.frames.stamped_missing == report.frames.untrue == 0
    assert report.frames.frames_decoded == pytest.approx(source.frames, abs=3)


@pytest.mark.rfc("RFC 3550 6.4.2", "RFC 3550 A.3", "RFC 3550 A.8")
def test_a_receiver_report_says_what_was_lost() -> None:
    lost: set[int] = set()

    def edit(data: bytes, _: float) -> bytes | None:
        if is_rtcp(data):
            return data
        number = read_rtp(data).sequence
        if number % 10 == 3:
            lost.add(number)
            return None
        return data

    call = Call(nack=False, pli=False, edit=edit)
    (stream,) = call.send(SyntheticVideo(7))
    call.run(4.02)
    blocks = [r.blocks[0] for _, r in call.reports(ReceiverReport, back=True) if isinstance(r, ReceiverReport)]
    assert len(blocks) == 4
    assert all(block.fraction_lost == pytest.approx(25.6, abs=2) for block in blocks)
    assert blocks[-1].packets_lost == pytest.approx(len(lost), abs=3)
    assert blocks[-1].highest_sequence > 0x10000
    assert blocks[0].last_sr != 0
    assert stream.packets_lost == blocks[-1].packets_lost
    assert stream.fraction_lost == pytest.approx(0.1, abs=0.01)


@pytest.mark.rfc("RFC 3550 6.4.1")
def test_jitter_is_that_of_the_path() -> None:
    call = Call(up=Conditions(delay=0.05))
    call.send(SyntheticAudio(7))
    call.run(3)
    assert call.only.report(call.now).jitter == pytest.approx(0, abs=0.0005)
    call.path.conditions = Conditions(delay=0.05, reorder=0.5, reorder_delay=0.01)
    call.run(5)
    assert 0.003 < call.only.report(call.now).jitter < 0.009


def test_sound_is_counted_packet_by_packet() -> None:
    call = Call(up=Conditions(delay=0.02, loss=0.1))
    source = SyntheticAudio(7)
    call.send(source)
    call.run(10)
    report = call.only.report(call.now)
    assert report.nack_count == report.pli_count == 0
    assert report.packets_lost == pytest.approx(50, abs=15)
    assert report.frames.stamped_missing == pytest.approx(report.packets_lost, abs=2)
    assert report.frames.frames_decoded == report.packets_received
    assert report.frames.latency_p50 == pytest.approx(0.02, abs=0.002)


def test_transport_wide_feedback_tells_every_packet_and_its_arrival() -> None:
    call = Call(up=Conditions(delay=0.02, loss=0.02))
    call.send(SyntheticVideo(7))
    call.send(SyntheticAudio(7))
    call.run(3)
    feedbacks = [f for _, f in call.reports(TransportFeedback, back=True) if isinstance(f, TransportFeedback)]
    told = {wide: arrival for feedback in feedbacks for wide, arrival in feedback.arrivals()}
    sent = [at for at, _, _ in call.media()]
    assert list(told) == list(range(len(told)))
    assert len(sent) - len(told) < 30
    for wide, arrival in told.items():
        if arrival is not None:
            assert arrival - sent[wide] == pytest.approx(0.02, abs=0.0015)
    assert sum(arrival is None for arrival in told.values()) == call.path.counts.lost
    assert [f.count for f in feedbacks] == list(range(len(feedbacks)))


def test_a_remb_is_sent_where_that_was_agreed_on() -> None:
    call = Call(
        transport_cc=False, remb=True, up=Conditions(delay=0.02, rate=500_000, queue_bytes=20_000), start=800_000
    )
    source = SyntheticVideo(7)
    call.send(source)
    call.run(10)
    rembs = [r for _, r in call.reports(Remb, back=True) if isinstance(r, Remb)]
    assert all(remb.ssrcs == (1000,) for remb in rembs)
    assert 250_000 < rembs[-1].bitrate < 700_000
    assert call.reports(TransportFeedback, back=True) == []
    assert call.sender.controller.target == pytest.approx(rembs[-1].bitrate, rel=0.01)
    assert not call.path.queued_bytes


def test_packets_that_do_not_fit_are_counted_and_ignored() -> None:
    def edit(data: bytes, _: float) -> bytes:
        if not is_rtcp(data) and read_rtp(data).sequence == 65_520:
            return data[:1] + bytes((data[1] & 0x80 | 33,)) + data[2:]
        return data

    call = Call(edit=edit)
    call.send(SyntheticVideo(7))
    call.run(1)
    report = call.only.report(call.now)
    assert report.packets_malformed == 1
    assert report.retransmitted_packets_received == 1
    assert report.frames.stamped_missing == 0


def test_packets_without_payload_leave_no_hole() -> None:
    """As an SFU sends them where it could not close a gap in the numbers."""
    call = Call(pli=False)
    call.send(SyntheticVideo(7))
    inserted = 0

    def edit(data: bytes, now: float) -> bytes:
        nonlocal inserted
        if is_rtcp(data):
            return data
        head = read_rtp(data)
        number = head.sequence + inserted
        moved = data[:2] + (number & 0xFFFF).to_bytes(2, "big") + data[4:]
        if head.marker and not inserted:
            inserted = 1
            empty = moved[:1] + bytes((moved[1] & 0x7F,)) + (number + 1 & 0xFFFF).to_bytes(2, "big")
            call.path.send(moved, now)
            return empty + moved[4 : head.payload]
        return moved

    call.edit = edit
    call.run(2)
    report = call.only.report(call.now)
    assert inserted
    assert report.packets_lost == 0
    assert report.frames.stamped_missing == 0
    assert report.frames.frames_decoded >= 59


def test_an_exact_fault_costs_exactly_one_retransmission() -> None:
    call = Call(up=ROUND_TRIP, down=ROUND_TRIP)
    call.path.faults = lambda number, _: Fault.DROP if number == 50 else None
    call.send(SyntheticVideo(7))
    call.run(2)
    report = call.only.report(call.now)
    assert (report.nack_count, report.nacked_packets, report.retransmitted_packets_received) == (1, 1, 1)
    assert report.packets_lost == 0
    assert report.frames.stamped_missing == 0
