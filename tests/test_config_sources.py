"""Where settings come from, and how wrong ones are named."""

from pathlib import Path

import pytest

from labsfu.config import Config, MediaListen, load_config
from labsfu.errors import ConfigError


def toml(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "lab.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_without_anything_the_defaults_hold() -> None:
    assert load_config({}, {}) == Config()


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = toml(tmp_path, 'port = 1\nmedia-port = 1\nlog-level = "debug"\n')
    environment = {"LABSFU_PORT": "2", "LABSFU_MEDIA_PORT": "2"}
    config = load_config({"port": "3", "media-port": None}, environment, file)
    assert (config.port, config.media.port, config.log_level) == (3, 2, "debug")


def test_every_kind_of_setting_can_come_from_everywhere(tmp_path: Path) -> None:
    file = toml(
        tmp_path, 'log-format = "json"\nhosts = ["a.example", "b.example"]\nroom-grace = 0.5\nannounce = "192.0.2.1"\n'
    )
    environment = {"LABSFU_ORIGINS": "https://a.example, https://b.example", "LABSFU_PARTICIPANT_GRACE": "2.5"}
    config = load_config({"host": "::1"}, environment, file)
    assert config.hosts == ("a.example", "b.example")
    assert config.log_format == "json"
    assert config.origins == ("https://a.example", "https://b.example")
    assert (config.room_grace, config.participant_grace, config.host) == (0.5, 2.5, "::1")
    assert config.media == MediaListen(("127.0.0.1",), 40000, ("192.0.2.1",))


@pytest.mark.parametrize(
    ("flags", "environment", "named"),
    [
        ({"port": "http"}, {}, "--port: 'http' is not a port"),
        ({"port": "65536"}, {}, "--port: '65536'"),
        ({"port": "-1"}, {}, "--port: '-1'"),
        ({"media-address": "here"}, {}, "--media-address: 'here' is not an IP address, or several"),
        ({"host": ""}, {}, "--host: ''"),
        ({}, {"LABSFU_LOG_LEVEL": "loud"}, "LABSFU_LOG_LEVEL: 'loud' is not one of debug, info, warning, error"),
        ({"log-format": "xml"}, {}, "--log-format: 'xml' is not one of text, json"),
        ({}, {"LABSFU_EVENT_RING": "0"}, "LABSFU_EVENT_RING: '0' is not a number of events"),
        ({}, {"LABSFU_ROOM_GRACE": "nan"}, "LABSFU_ROOM_GRACE: 'nan'"),
        ({}, {"LABSFU_MESSAGE_BYTES": "1"}, "LABSFU_MESSAGE_BYTES: '1'"),
        ({"workers": "-1"}, {}, "--workers: '-1' is not a number of workers (0 to 256)"),
        ({"workers": "257"}, {}, "--workers: '257'"),
        ({"workers": "2", "media-port": "65535"}, {}, "media-port '65535' leaves no port for the last of 2 workers"),
        ({}, {"LABSFU_WORKER_PATIENCE": "0"}, "LABSFU_WORKER_PATIENCE: '0' is not a number of seconds (0.1 to 86400)"),
        ({}, {"LABSFU_ROUTER_CAPACITY": "0"}, "LABSFU_ROUTER_CAPACITY: '0' is not a number (1 to"),
        ({"host": "0.0.0.0"}, {}, "set --token or LABSFU_TOKEN"),
        ({"media-address": "0.0.0.0"}, {}, "set --announce"),
        ({"media-address": "127.0.0.1,::"}, {}, "media-address '::'"),
        ({"media-address": "::1,::1"}, {}, "--media-address: '::1,::1'"),
        ({"media-address": "127.0.0.1,::1", "announce": "192.0.2.1"}, {}, "announce '192.0.2.1'"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(
    flags: dict[str, str | None], environment: dict[str, str], named: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(flags, environment)
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('port = "x"', "port: 'x'"),
        ("port = true", "port: True"),
        ("hosts = [1]", "hosts: [1]"),
        ("prot = 1", "no setting 'prot'"),
        ("port = ", "is not TOML"),
    ],
)
def test_a_wrong_line_of_the_file_is_named_with_the_file(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config({}, {}, toml(tmp_path, text))
    assert named in str(refused.value)
    assert "lab.toml" in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load_config({}, {}, tmp_path / "none.toml")


def test_a_wrong_token_is_not_shown() -> None:
    with pytest.raises(ConfigError) as refused:
        load_config({"token": ""}, {})
    assert "its value" in str(refused.value)


def test_anything_but_loopback_needs_a_token() -> None:
    assert load_config({"host": "192.0.2.1", "token": "t"}, {}).token == "t"


def test_workers_are_as_many_as_asked_for_else_one_less_than_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [load_config({"workers": number}, {}).worker_count for number in ("0", "1", "7")] == [0, 1, 7]
    for cores, count in ((1, 1), (2, 1), (8, 7)):
        with monkeypatch.context() as planted:
            planted.setattr("os.sched_getaffinity", lambda _pid, cores=cores: set(range(cores)))
            assert Config().worker_count == count


def test_each_worker_has_the_port_behind_the_one_before_it_or_any_free_one() -> None:
    media = MediaListen(("127.0.0.1", "::1"), 40000, ("192.0.2.1", "2001:db8::1"))
    assert [media.of_worker(place).port for place in range(3)] == [40000, 40001, 40002]
    assert media.of_worker(2).told == media.told
    assert MediaListen(("127.0.0.1",), 0).of_worker(3).port == 0
    assert load_config({"workers": "2", "media-port": "65534"}, {}).media.of_worker(1).port == 65535
