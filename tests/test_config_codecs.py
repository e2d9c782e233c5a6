"""Router codecs from the configuration, up to what a server says of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from labsfu.config import load_config
from labsfu.errors import ConfigError
from labsfu.wire.rtp import RtpCodecCapability


def toml(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "lab.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_names_come_from_flag_environment_and_file(tmp_path: Path) -> None:
    file = toml(tmp_path, 'codecs = ["audio/opus", "H264"]')
    assert load_config({}, {}, file).codecs == ("audio/opus", "H264")
    assert load_config({}, {"LABSFU_CODECS": "opus, VP8"}, file).codecs == ("opus", "VP8")
    assert load_config({"codecs": "PCMU"}, {"LABSFU_CODECS": "opus"}, file).codecs == ("PCMU",)


def test_a_table_is_a_codec_in_full(tmp_path: Path) -> None:
    high = 'parameters = { packetization-mode = 1, profile-level-id = "640c1f" }'
    text = f"""
        codecs = [
          "opus",
          {{ mime-type = "video/H264", clock-rate = 90000, preferred-payload-type = 120, {high} }},
          {{ mime-type = "audio/G722", clock-rate = 8000, channels = 1 }},
        ]
    """
    assert load_config({}, {}, toml(tmp_path, text)).codecs == (
        "opus",
        RtpCodecCapability(
            mime_type="video/H264",
            clock_rate=90000,
            preferred_payload_type=120,
            parameters={"packetization-mode": 1, "profile-level-id": "640c1f"},
        ),
        RtpCodecCapability(mime_type="audio/G722", clock_rate=8000, channels=1),
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("codecs = []", "codecs: [] is not a list of codecs"),
        ('codecs = ""', "codecs: '' is not a list of codecs"),
        ("codecs = [1]", "is not a list of codecs: Expected `object`, got `int`"),
        ('codecs = [{mime-type = "video/VP8"}]', "missing required field `clock-rate`"),
        ('codecs = [{mime-type = "video/VP8", clock-rate = "90k"}]', "$.clock-rate"),
        ('codecs = [{mime-type = "video/VP8", clockrate = 1, clock-rate = 1}]', "unknown field `clockrate`"),
        ('codecs = [{mime-type = "a/b", clock-rate = 1, preferred-payload-type = 128}]', "$.preferred-payload-type"),
        ('codecs = [{mime-type = "a/b", clock-rate = 1, parameters = {x = [1]}}]', "$.parameters"),
    ],
)
def test_a_wrong_list_is_named_with_where_it_was_read(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config({}, {}, toml(tmp_path, text))
    assert named in str(refused.value)
    assert "lab.toml: codecs" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("flags", "environment", "named"),
    [
        (["--codecs", "opus,VP9"], {}, "codecs: 'video/VP9' is not forwarded yet"),
        ([], {"LABSFU_CODECS": "opsu"}, "codecs: 'opsu' is no codec"),
        (["--codecs", ""], {}, "--codecs: '' is not a list of codecs"),
    ],
)
def test_a_server_refuses_codecs_that_it_cannot_forward(
    flags: list[str], environment: dict[str, str], named: str
) -> None:
    command = [sys.executable, "-m", "labsfu", "serve", *flags]
    refused = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | environment, timeout=60, check=False
    )
    assert (refused.returncode, refused.stdout) == (2, "")
    assert named in refused.stderr
    assert refused.stderr.count("\n") == 1
