"""The words of `labsfu cascade`: wrong ones are named, and nothing is begun."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from clients.cascade.cascade import PATIENCE
from clients.cascade.options import Words, read_options
from labsfu.errors import InvalidValue

WORDS = Words(a="http://10.0.0.1:8000", b="http://10.0.0.2:8000/", room="tea")


def test_what_is_left_out_has_a_default() -> None:
    options = read_options(WORDS)
    assert (options.b, options.srtp, options.rtx, options.patience) == ("http://10.0.0.2:8000", None, True, PATIENCE)


@pytest.mark.parametrize("url", ["http://ada:pw@10.0.0.1:8000", "http://ada:1/pw@10.0.0.1", "ada:pw@10.0.0.1"])
def test_a_url_with_a_password_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidValue) as wrong:
        read_options(replace(WORDS, a=url))
    assert "pw" not in wrong.value.detail


@pytest.mark.parametrize(
    ("word", "value", "named"),
    [
        ("a", "10.0.0.1", "10.0.0.1"),
        ("b", "ftp://10.0.0.2", "ftp://"),
        ("b", "http://10.0.0.1:8000", "named twice"),
        ("room", "tea party", "tea party"),
        ("listen_a", "a.example", "--listen-a a.example"),
        ("listen_b", "10.0.0", "--listen-b 10.0.0"),
        ("patience", "long", "--patience long"),
        ("patience", "-1", "--patience -1"),
        ("patience", "inf", "--patience inf"),
        ("ca", "ca.pem", "--ca"),
    ],
)
def test_a_wrong_word_is_named(word: str, value: str, named: str) -> None:
    words = {name: getattr(WORDS, name) for name in Words.__dataclass_fields__} | {word: value}
    with pytest.raises(InvalidValue) as wrong:
        read_options(msgspec.convert(words, Words))
    assert named in wrong.value.detail
