"""The reading rate over sizes drawn, sizes shown, codecs and rates, as docs/readback.md has it: what must hold."""

from pathlib import Path

import pytest

from clients.media.tracks import SIZES
from tests.bench.readback import CODINGS, SECTION, SHOWN, Coding, camera, measure, report, shared_screen
from tests.support.generated_section import markers, replace_section

DOCUMENT = Path(__file__).parents[2] / "docs" / "readback.md"
LEAST_RATES = [coding for coding in CODINGS if coding.rate in (250_000, 500_000)]
"""The lowest that aiortc's encoders have."""


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("coding", CODINGS, ids=str)
def test_every_picture_of_a_camera_is_read_at_every_size_and_rate(coding: Coding, size: tuple[int, int]) -> None:
    line = measure(coding, size, camera(12))
    assert set(line.shown) == set(SHOWN)
    for tally in line.shown.values():
        assert (tally.decoded, tally.read, tally.misread) == (12, 12, 0)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("coding", LEAST_RATES, ids=str)
def test_every_picture_of_a_screen_is_read_at_the_least_rates(coding: Coding, size: tuple[int, int]) -> None:
    line = measure(coding, size, shared_screen(12))
    for tally in line.shown.values():
        assert (tally.decoded, tally.read, tally.misread) == (12, 12, 0)


@pytest.mark.parametrize("coding", LEAST_RATES, ids=str)
def test_what_a_decoder_makes_of_a_stream_with_holes_is_not_misread(coding: Coding) -> None:
    """Blocks of older pictures remain in the strip: a picture says its own number or nothing."""
    line = measure(coding, SIZES["180p"], camera(60), drop=frozenset(range(3, 60, 4)))
    tally = line.shown["as drawn"]
    assert 3 <= tally.read < tally.decoded <= 45
    assert sum(tally.misread for tally in line.shown.values()) == 0


def test_the_document_has_a_place_for_the_report() -> None:
    written = replace_section(DOCUMENT.read_text(encoding="utf-8"), SECTION, report(2, CODINGS[:1]))
    begin, end = markers(SECTION)
    assert "| 720p screen | VP8 250 kbit/s |" in written[written.index(begin) : written.index(end)]
