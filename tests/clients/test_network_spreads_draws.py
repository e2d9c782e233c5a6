"""Draws that fall once into each thousandth of [0, 1)."""

from __future__ import annotations

from clients.network.strata import SIZE, Strata


def strata_of(strata: Strata, block: int) -> list[int]:
    return [int(strata.spread(number, 0.5) * SIZE) for number in range(block * SIZE, (block + 1) * SIZE)]


def test_each_thousand_packets_have_each_thousandth_once() -> None:
    strata = Strata(b"key")
    for block in (0, 1, 65):
        assert sorted(strata_of(strata, block)) == list(range(SIZE))


def test_each_thousand_and_each_key_have_another_order() -> None:
    orders = [strata_of(Strata(b"key"), 0), strata_of(Strata(b"key"), 1), strata_of(Strata(b"other"), 0)]
    for order in orders:
        for other in orders:
            same = sum(one == two for one, two in zip(order, other, strict=True))
            assert same == SIZE if order is other else same < 10


def test_a_packets_draw_depends_on_its_number_alone() -> None:
    forwards = Strata(b"key")
    numbers = [5, 1005, 7, 999, 1000, 123_456]
    drawn = [forwards.spread(number, 0.25) for number in numbers]
    backwards = Strata(b"key")
    assert [backwards.spread(number, 0.25) for number in reversed(numbers)] == drawn[::-1]


def test_a_draw_keeps_its_place_in_the_stratum() -> None:
    low, high = Strata(b"key").spread(3, 0.0), Strata(b"key").spread(3, 0.999999)
    assert 0.0 <= low < high < 1.0
    assert int(low * SIZE + 1e-6) == int(high * SIZE)
