"""docs/settings.md has every setting, with its default and whether it is a flag."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from labsfu.cli import main
from labsfu.config import Config

DOCUMENT = Path(__file__).parents[1] / "docs" / "settings.md"
_ROW = re.compile(r"^\| `(?P<name>[a-z-]+)` \|(?: (?P<flag>-?) ?\|)?(?: `(?P<default>[^`]*)`)? ?\|", re.MULTILINE)

# Where the default is described in words.
IN_WORDS = {"announce", "codecs", "token", "cert", "key", "hosts", "origins", "max-requests-per-second", "workers"}


def rows() -> dict[str, tuple[str | None, str | None]]:
    """Flag and default by name."""
    return {row["name"]: (row["flag"], row["default"]) for row in _ROW.finditer(DOCUMENT.read_text(encoding="utf-8"))}


def value_of(name: str) -> Any:  # noqa: ANN401 - of whatever type
    config = Config()
    if name in ("media-address", "media-port", "announce"):
        media = {"media-address": ",".join(config.media.addresses), "media-port": config.media.port}
        return media.get(name)
    return getattr(config, name.replace("-", "_"))


def test_it_has_every_setting_and_no_other() -> None:
    fields = {field.replace("_", "-") for field in Config.__slots__} - {"media"}
    assert set(rows()) == fields | {"media-address", "media-port", "announce"}


def test_defaults_are_what_it_says() -> None:
    for name, (_, default) in rows().items():
        if name in IN_WORDS:
            assert default is None
        else:
            value = value_of(name)
            assert default == (f"{value:g}" if isinstance(value, float) else str(value)), name


def test_flags_are_what_it_says() -> None:
    flags = {name for name, (flag, _) in rows().items() if flag == "-"}
    options = {option for parameter in main.commands["serve"].params for option in parameter.opts}
    assert {f"--{name}" for name in flags} == options - {"--config"}
