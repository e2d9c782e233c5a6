from __future__ import annotations

import pytest

from labsfu.core.ortc.h264 import (
    LEVEL_1B,
    H264Profile,
    ProfileLevelId,
    answer_profile_level_id,
    format_profile_level_id,
    parse_profile_level_id,
)

CB, B, M = H264Profile.CONSTRAINED_BASELINE, H264Profile.BASELINE, H264Profile.MAIN
CH, H, PH = H264Profile.CONSTRAINED_HIGH, H264Profile.HIGH, H264Profile.PREDICTIVE_HIGH_444


@pytest.mark.rfc("RFC 6184 8.1")
@pytest.mark.parametrize(
    ("text", "profile", "level"),
    [
        # profile_idc and profile-iop of table 5
        ("42e01f", CB, 31), ("42c02a", CB, 42), ("4de01f", CB, 31), ("58f01f", CB, 31), ("42E01F", CB, 31),
        ("42001f", B, 31), ("42a01f", B, 31), ("58a01f", B, 31),
        ("4d401f", M, 31), ("4d0032", M, 50),
        ("64001f", H, 31), ("640c34", CH, 52), ("f4001f", PH, 31),
        # constraint_set3_flag tells 1b from 1.1
        ("42e00b", CB, 11), ("42f00b", CB, LEVEL_1B), ("42100b", B, LEVEL_1B), ("4d100b", M, LEVEL_1B),
        # the offer of RFC 6184 8.3
        ("42a01e", B, 30),
    ],
)  # fmt: skip
def test_profile_and_level_are_read(text: str, profile: H264Profile, level: int) -> None:
    assert parse_profile_level_id(text) == ProfileLevelId(profile, level)


def test_the_levels_are_those_of_h264() -> None:
    levels = [value for value in range(256) if parse_profile_level_id(f"6400{value:02x}")]
    assert levels == [10, 11, 12, 13, 20, 21, 22, 30, 31, 32, 40, 41, 42, 50, 51, 52]


@pytest.mark.rfc("RFC 6184 8.1")
def test_the_profiles_are_those_of_table_5() -> None:
    """Written as in the table: one letter a bit, x for either."""
    table = {
        CB: ((0x42, "x1xx0000"), (0x4D, "1xxx0000"), (0x58, "11xx0000")),
        B: ((0x42, "x0xx0000"), (0x58, "10xx0000")),
        M: ((0x4D, "0x0x0000"),),
        H: ((0x64, "00000000"),),
        CH: ((0x64, "00001100"),),
        PH: ((0xF4, "00000000"),),
    }
    for profile_idc in range(256):
        for profile_iop in range(256):
            bits = f"{profile_iop:08b}"
            expected = next(
                (
                    profile
                    for profile, rows in table.items()
                    for idc, pattern in rows
                    if idc == profile_idc and all(p in ("x", b) for p, b in zip(pattern, bits, strict=True))
                ),
                None,
            )
            found = parse_profile_level_id(f"{profile_idc:02x}{profile_iop:02x}1f")
            assert (found.profile if found else None) is expected


@pytest.mark.parametrize(
    "text",
    ["", " 42e01f", "4242e01f", "e01f", "gggggg", "42e01f\n", "42 e01", "42e000", "42e00f", "42e0ff", "42e11f",
     "58601f", "64e01f", "0x42e0"],
)  # fmt: skip
def test_what_names_no_profile_or_level_is_none(text: str) -> None:
    assert parse_profile_level_id(text) is None


@pytest.mark.parametrize(
    "text", ["42e01f", "42001f", "4d001f", "640c2a", "640034", "f4000a", "42f00b", "42100b", "4d100b"]
)
def test_canonical_ids_are_written_as_they_were_read(text: str) -> None:
    value = parse_profile_level_id(text)
    assert value is not None
    assert format_profile_level_id(value) == text


def test_level_1b_cannot_be_written_for_high_profiles() -> None:
    assert format_profile_level_id(ProfileLevelId(H, LEVEL_1B)) is None


@pytest.mark.rfc("RFC 6184 8.2.2")
@pytest.mark.parametrize(
    ("local", "remote", "asymmetry", "answer"),
    [
        ("42e015", "42e01f", False, "42e015"),
        ("42e01f", "42e015", False, "42e015"),
        ("42e01f", "42e015", True, "42e01f"),
        ("42e015", "42e01f", True, "42e015"),
        # 1 < 1b < 1.1
        ("42f00b", "42e00a", False, "42e00a"),
        ("42f00b", "42e00b", False, "42f00b"),
        ("42e00b", "42f00b", False, "42f00b"),
        # Constrained Baseline, said in another way, is answered in the usual one
        ("42e01f", "4de01e", False, "42e01e"),
        # saying nothing is 42e01f
        ("", "42e01e", False, "42e01e"),
        ("42e034", "", False, "42e01f"),
        ("", "", False, "42e01f"),
    ],
)  # fmt: skip
def test_the_answer_has_the_lower_level_unless_asymmetry_is_allowed(
    local: str, remote: str, asymmetry: bool, answer: str
) -> None:
    assert answer_profile_level_id(local, remote, level_asymmetry=asymmetry) == answer


@pytest.mark.parametrize(
    ("local", "remote"), [("42e01f", "42001f"), ("42e01f", "zzz"), ("zzz", "42e01f"), ("", "64001f")]
)
def test_different_or_unreadable_profiles_have_no_answer(local: str, remote: str) -> None:
    assert answer_profile_level_id(local, remote, level_asymmetry=True) is None
