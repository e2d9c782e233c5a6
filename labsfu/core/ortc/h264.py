"""H.264's profile-level-id: reading, comparing, answering (RFC 6184 8.1, 8.2.2; profiles as libwebrtc groups them)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

DEFAULT_PROFILE_LEVEL_ID = "42e01f"
"""Constrained Baseline 3.1: what browsers mean when they say nothing (RFC 6184 would have Baseline 1)."""

LEVEL_1B = 0
"""Level 1b stands between 1 and 1.1; every other level is its level_idc (31 is level 3.1)."""

_LEVELS = frozenset({10, 11, 12, 13, 20, 21, 22, 30, 31, 32, 40, 41, 42, 50, 51, 52})
_CONSTRAINT_SET3 = 0x10
_PROFILE_LEVEL_ID = re.compile(r"[0-9a-fA-F]{6}")


class H264Profile(Enum):
    """Profiles that can be told apart; the value is profile_idc and profile-iop in hexadecimal."""

    CONSTRAINED_BASELINE = "42e0"
    BASELINE = "4200"
    MAIN = "4d00"
    CONSTRAINED_HIGH = "640c"
    HIGH = "6400"
    PREDICTIVE_HIGH_444 = "f400"


# (profile_idc, mask and value of profile-iop) -> profile: RFC 6184 8.1, table 5
_PATTERNS = (
    (0x42, 0b0100_1111, 0b0100_0000, H264Profile.CONSTRAINED_BASELINE),
    (0x4D, 0b1000_1111, 0b1000_0000, H264Profile.CONSTRAINED_BASELINE),
    (0x58, 0b1100_1111, 0b1100_0000, H264Profile.CONSTRAINED_BASELINE),
    (0x42, 0b0100_1111, 0b0000_0000, H264Profile.BASELINE),
    (0x58, 0b1100_1111, 0b1000_0000, H264Profile.BASELINE),
    (0x4D, 0b1010_1111, 0b0000_0000, H264Profile.MAIN),
    (0x64, 0b1111_1111, 0b0000_0000, H264Profile.HIGH),
    (0x64, 0b1111_1111, 0b0000_1100, H264Profile.CONSTRAINED_HIGH),
    (0xF4, 0b1111_1111, 0b0000_0000, H264Profile.PREDICTIVE_HIGH_444),
)

_STRINGS_OF_1B = {
    H264Profile.CONSTRAINED_BASELINE: "42f00b",
    H264Profile.BASELINE: "42100b",
    H264Profile.MAIN: "4d100b",
}


@dataclass(frozen=True, slots=True)
class ProfileLevelId:
    """A profile and a level (`LEVEL_1B`, or level_idc)."""

    profile: H264Profile
    level: int


def parse_profile_level_id(text: str) -> ProfileLevelId | None:
    """Read six hexadecimal digits; None if they are not, or name no known profile or level."""
    if _PROFILE_LEVEL_ID.fullmatch(text) is None:
        return None
    profile_idc, profile_iop, level = bytes.fromhex(text)
    if level == 11 and profile_iop & _CONSTRAINT_SET3:
        level = LEVEL_1B
    elif level not in _LEVELS:
        return None
    for idc, mask, value, profile in _PATTERNS:
        if profile_idc == idc and profile_iop & mask == value:
            return ProfileLevelId(profile, level)
    return None


def format_profile_level_id(value: ProfileLevelId) -> str | None:
    """Write six hexadecimal digits; None for level 1b in a profile that has none."""
    if value.level == LEVEL_1B:
        return _STRINGS_OF_1B.get(value.profile)
    return f"{value.profile.value}{value.level:02x}"


def answer_profile_level_id(local: str, remote: str, *, level_asymmetry: bool) -> str | None:
    """The profile-level-id to answer with (RFC 6184 8.2.2).

    Args:
        local: our own; empty for the default.
        remote: the one offered; empty for the default.
        level_asymmetry: both said level-asymmetry-allowed=1: each may send its own level, else the lower one holds.

    Returns:
        None if one of the two does not parse, or their profiles differ.
    """
    ours = parse_profile_level_id(local or DEFAULT_PROFILE_LEVEL_ID)
    theirs = parse_profile_level_id(remote or DEFAULT_PROFILE_LEVEL_ID)
    if ours is None or theirs is None or ours.profile is not theirs.profile:
        return None
    level = ours.level if level_asymmetry else min(ours.level, theirs.level, key=_rank)
    return format_profile_level_id(ProfileLevelId(ours.profile, level))


def _rank(level: int) -> float:
    return 10.5 if level == LEVEL_1B else level
