"""What `labsfu client` is told is read before anything is opened; each wrong word is named."""

from __future__ import annotations

import re

import pytest

from clients.bot.options import BotOptions, Words, read_options
from clients.network import Direction
from clients.network.presets import PRESETS
from labsfu.errors import InvalidValue
from labsfu.wire.rtp import ConsumerLayers


def read(**words: object) -> BotOptions:
    return read_options(Words(**{"url": "http://127.0.0.1:8000/", "room": "tea", "name": "Ada", **words}))  # type: ignore[arg-type]  # what a command line gives


def test_what_is_left_out_has_its_default() -> None:
    options = read()
    assert (options.url, options.room, options.name, options.participant_id) == (
        "http://127.0.0.1:8000",
        "tea",
        "Ada",
        "Ada",
    )
    assert (options.video, options.audio, options.synthetic, options.json) == ("pattern", "tone", False, False)
    assert (options.size, options.fps, options.seconds, options.network, options.pcap) == (None,) * 5


def test_what_is_said_is_read() -> None:
    options = read(video="none", audio="talk.ogg", seconds="2.5", json=True, token="s3cret")
    assert (options.video, options.audio, options.seconds, options.json) == ("none", "talk.ogg", 2.5, True)
    assert options.token == "s3cret"
    assert read(size="720p", fps="29.97").size == (1280, 720)
    assert read(size="320x180").size == (320, 180)


def test_layers_are_sent_and_preferred_as_said() -> None:
    options = read()
    assert (options.layers, options.prefer) == (None, None)
    assert [read(synthetic=True, layers=str(count)).layers for count in (1, 2, 3)] == [1, 2, 3]
    assert read(prefer="1").prefer == ConsumerLayers(spatial_layer=1)
    assert read(synthetic=True, prefer="0:2").prefer == ConsumerLayers(spatial_layer=0, temporal_layer=2)


def test_a_network_has_its_seed_or_one_of_its_own() -> None:
    network = read(network="lte", seed="7").network
    assert network is not None
    name, plan = network
    assert (name, plan.seed) == ("lte", 7)
    assert plan.conditions(Direction.UP) == PRESETS["lte"].up
    seeds = {found[1].seed for found in (read(network="lte").network for _ in range(8)) if found is not None}
    assert len(seeds) > 1


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        ("Ada Lovelace", "Ada-Lovelace"),
        ("  zoë / bot #1 ", "zo-bot-1"),
        ("Ада", "bot"),
        ("x" * 80, "x" * 64),
    ],
)
def test_a_name_becomes_an_id_that_a_server_takes(name: str, id_: str) -> None:
    options = read(name=name)
    assert (options.name, options.participant_id) == (name.strip(), id_)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ({"url": "127.0.0.1:8000"}, "'127.0.0.1:8000' is no URL"),
        ({"url": "ws://127.0.0.1:8000"}, "no URL"),
        ({"url": "http://"}, "no URL"),
        ({"url": "http://a:99999"}, "no URL"),
        ({"url": "http://[::1"}, "no URL"),
        ({"url": "http://a/?x=1"}, "no URL"),
        ({"room": "a b"}, "room 'a b'"),
        ({"name": " "}, "--name"),
        ({"name": "a\x1b[2J"}, "--name"),
        ({"size": "big"}, "--size big"),
        ({"size": "641x360"}, "--size 641x360"),
        ({"size": "80x40"}, "--size 80x40"),
        ({"size": "9000x9000"}, "--size 9000x9000"),
        ({"fps": "0"}, "--fps 0"),
        ({"fps": "61"}, "--fps 61"),
        ({"fps": "nan"}, "--fps nan"),
        ({"fps": "many"}, "--fps many"),
        ({"seconds": "0"}, "--seconds 0"),
        ({"seconds": "-1"}, "--seconds -1"),
        ({"seconds": "inf"}, "--seconds inf"),
        ({"network": "isdn"}, "'isdn'"),
        ({"network": "lte", "seed": "x"}, "--seed x"),
        ({"seed": "1"}, "--seed"),
        ({"synthetic": True, "video": "screen"}, "--video screen"),
        ({"synthetic": True, "audio": "a.ogg"}, "--audio a.ogg"),
        ({"synthetic": True, "size": "360p"}, "--size"),
        ({"video": "none", "size": "360p"}, "--size"),
        ({"video": "none", "fps": "10"}, "--fps"),
        ({"layers": "2"}, "--synthetic"),
        ({"synthetic": True, "layers": "0"}, "--layers 0 is not 1 to 3"),
        ({"synthetic": True, "layers": "4"}, "--layers 4 is not 1 to 3"),
        ({"synthetic": True, "layers": "two"}, "--layers two"),
        ({"synthetic": True, "layers": "²"}, "--layers ²"),
        ({"synthetic": True, "layers": "2", "video": "none"}, "--layers"),
        ({"prefer": "-1"}, "--prefer -1"),
        ({"prefer": "256"}, "--prefer 256"),
        ({"prefer": "0:256"}, "--prefer 0:256"),
        ({"prefer": "1:"}, "--prefer 1:"),
        ({"prefer": "high"}, "--prefer high"),
    ],
)
def test_a_wrong_word_is_named(words: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidValue, match=re.escape(named)):
        read(**words)
