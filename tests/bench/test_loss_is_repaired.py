"""The benchmark of loss in short: the figure that must hold, and that its report finds its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.loss import SECTION, measure, report
from tests.support.generated_section import markers, replace_section

DOCUMENT = Path(__file__).parents[2] / "docs" / "loss.md"


@pytest.mark.rfc("RFC 4585 6.2.1", "RFC 4588 4")
@pytest.mark.parametrize("rough_sender", [False, True])
def test_at_ten_percent_loss_each_way_nearly_all_frames_arrive_within_half_a_second(rough_sender: bool) -> None:
    result = measure(0.10, 10.0, [1, 2], rough_sender=rough_sender)
    assert result.frames == 600
    assert result.resent_octets > 0
    assert result.in_time >= 0.995


def test_without_loss_nothing_is_sent_again_and_nothing_asked_for() -> None:
    result = measure(0.0, 5.0, [1], rough_sender=True)
    assert result.shown_in_time == 1.0
    assert (result.resent_octets, result.nacked, result.key_frame_requests, result.freezes) == (0, 0, 0, 0)


def test_the_same_seeds_give_the_same_report() -> None:
    assert report(2.0, [3], losses=(0.1,)) == report(2.0, [3], losses=(0.1,))


@pytest.mark.parametrize("name", [SECTION, "real receivers"])
def test_the_document_has_a_place_for_each_report(name: str) -> None:
    written = replace_section(DOCUMENT.read_text(encoding="utf-8"), name, "| new |")
    begin, end = markers(name)
    assert f"{begin}\n| new |\n{end}" in written
    assert replace_section(written, name, "| new |") == written


def test_a_document_without_that_place_is_left_alone() -> None:
    with pytest.raises(ValueError, match="no section"):
        replace_section("# Loss\n", SECTION, "| new |")
