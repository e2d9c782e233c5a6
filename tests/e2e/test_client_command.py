"""`labsfu client` as a developer runs it: what it sends and says, how it ends, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from av import VideoFrame

from clients.api import ApiClient
from clients.media.pattern import PatternReading
from clients.media.sinks import PictureSink, ToneSink
from clients.media.tracks import PatternTrack, ToneTrack
from clients.participant import LabClient
from clients.server import ServerProcess
from clients.subscriber import RemoteTrack
from clients.synthetic.video import SyntheticVideo
from labsfu.wire.ids import ParticipantId
from labsfu.wire.payloads import RoomType
from labsfu.wire.rtp import ConsumerLayers, MediaKind
from tests.support.media_files import write_media
from tests.support.pcapng_reader import captured

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio]

CLIENT = (sys.executable, "-m", "labsfu", "client")
PATIENCE = 20.0
MIDDLE = ConsumerLayers(spatial_layer=1, temporal_layer=2)
LIGHT = ("--size", "320x180", "--fps", "10")


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ServerProcess]:
    async with ServerProcess("--log-level", "warning") as running:
        yield running
        assert not [line for line in running.stderr_tail if "Traceback" in line or "error" in line.lower()]


class Running:
    """A bot that runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._out = self._err = ""

    async def says(self, text: str) -> None:
        """Wait until it has said that on stderr."""
        self._err += await _read_until(self.process.stderr, text)

    async def prints(self, text: str) -> None:
        """Wait until it has printed that."""
        self._out += await _read_until(self.process.stdout, text)

    async def end(self) -> tuple[int, str, str]:
        """Wait for its end: exit code, all of stdout, all of stderr."""
        async with asyncio.timeout(PATIENCE):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, self._out + out.decode(), self._err + err.decode()


async def _read_until(stream: asyncio.StreamReader | None, text: str) -> str:
    assert stream is not None
    read = ""
    async with asyncio.timeout(PATIENCE):
        while text not in read:
            line = await stream.readline()
            assert line, read
            read += line.decode()
    return read


@asynccontextmanager
async def bot(url: str, *flags: str, name: str = "ada", **environment: str) -> AsyncIterator[Running]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("LABSFU_")}
    process = await asyncio.create_subprocess_exec(
        *CLIENT,
        *(url, "--room", "tea", "--name", name, *flags),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=clean | environment,
    )
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def run(url: str, *flags: str, name: str = "ada", **environment: str) -> tuple[int, str, str]:
    async with bot(url, *flags, name=name, **environment) as running:
        return await running.end()


class Pictures(PictureSink):
    """Tells when some have been seen."""

    def __init__(self) -> None:
        super().__init__()
        self.some = asyncio.Event()

    def add(self, frame: VideoFrame, now: float) -> PatternReading | None:
        reading = super().add(frame, now)
        if self.frames_seen > 3:
            self.some.set()
        return reading


class Eye:
    """Another participant, who sends and watches."""

    def __init__(self, url: str) -> None:
        self.client = LabClient(url, room="tea", name="eye", on_track=self._watch)
        self.pictures, self.tones = Pictures(), ToneSink()
        self._tasks: list[asyncio.Task[None]] = []

    async def publish(self) -> None:
        await self.client.publish(ToneTrack(3))
        await self.client.publish(PatternTrack(3, fps=10, size=(320, 180)))

    async def sees_some(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.pictures.some.wait()

    async def is_alone(self) -> None:
        await self.client.until(lambda: not self.client.participants, PATIENCE)

    def _watch(self, remote: RemoteTrack) -> None:
        sink = self.pictures if remote.kind is MediaKind.VIDEO else self.tones
        self._tasks.append(asyncio.create_task(sink.run(remote.track)))


def seconds(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def stream(report: dict[str, Any], way: str, kind: str) -> dict[str, Any]:
    (found,) = (one for one in report[way] if one["kind"] == kind)
    assert isinstance(found, dict)
    return found


async def test_it_is_seen_and_heard_and_says_in_json_what_it_gets(server: ServerProcess, tmp_path: Path) -> None:
    eye = Eye(server.url)
    pcap = tmp_path / "call.pcapng"
    async with eye.client:
        await eye.publish()
        flags = (*LIGHT, "--seconds", "3", "--json", "--pcap", str(pcap))
        code, out, err = await run(server.url, *flags, name="Ada Lovelace")
        await eye.is_alone()
        assert eye.pictures.report().width == 320
        assert eye.tones.report().heard
    assert code == 0, err
    reports = seconds(out)
    assert [round(report["seconds"]) for report in reports] == [1, 2, 3]
    last = reports[-1]
    assert (last["roomId"], last["participantId"], last["displayName"]) == ("tea", "Ada-Lovelace", "Ada Lovelace")
    assert last["participants"] == [{"id": "eye", "displayName": "eye", "connected": True}]
    video = stream(last, "inbound", "video")
    assert (video["participantId"], video["frameWidth"], video["frameHeight"]) == ("eye", 320, 180)
    assert 0 < video["latency"] < 1
    assert video["framesDecoded"] > 10
    assert abs(video["lastPacketReceivedTimestamp"] - last["timestamp"]) < 1000
    sound = stream(last, "inbound", "audio")
    assert 0.02 < sound["audioLevel"] < 0.5
    assert sound["packetsReceived"] > stream(reports[0], "inbound", "audio")["packetsReceived"]
    for kind in ("audio", "video"):
        sent = stream(last, "outbound", kind)
        assert sent["remote"]["packetsLost"] == 0
        assert sent["packetsSent"] > 20
    for line in ("eye is here", "receives the video of eye (VP8)", "receives the audio of eye (opus)", "left room"):
        assert line in err
    packets = captured(pcap)
    assert f"{pcap} has {len(packets)} packets" in err
    assert len(packets) >= sum(one["packetsReceived"] for one in last["inbound"])


async def test_its_table_has_a_line_for_each_stream_and_fits_80_columns(server: ServerProcess) -> None:
    eye = Eye(server.url)
    async with eye.client, bot(server.url, *LIGHT, "--seconds", "3.2") as running:
        await running.says("eye is here")
        await eye.publish()
        await eye.sees_some()
        code, out, err = await running.end()
    assert code == 0, err
    lines = out.splitlines()
    titles = [line for line in lines if "kbit/s" in line]
    assert 3 <= len(titles) <= 4
    assert titles[-1].startswith("in 3 s ")
    totals = lines[lines.index(titles[-1]) + 1 :]
    assert [line.split()[0] for line in totals] == ["eye", "eye", "(sent)", "(sent)"]
    assert sum("320x180" in line for line in totals) == 2
    assert max(map(len, lines)) <= 80
    assert "test picture (320x180, 10 fps)" in err


async def test_it_sends_layers_and_receives_those_that_it_prefers_and_says_which_come(server: ServerProcess) -> None:
    eye = LabClient(server.url, room="tea", name="eye", synthetic=True)
    layered = ("--synthetic", "--audio", "none", "--layers", "2", "--prefer", "0:0")
    async with eye, bot(server.url, *layered, "--seconds", "3") as running:
        await eye.publish(SyntheticVideo(9, rids=("low", "high"), temporal_layers=2))
        await eye.until(lambda: any(r.sent.layers == MIDDLE for r in eye.tracks.values()), PATIENCE)
        code, out, err = await running.end()
    assert code == 0, err
    assert "made-up video of 30 fps in r0, r1" in err
    assert "of the video of eye layer 0:0 is sent (begun)" in err
    assert "layer 1" not in err
    totals = out[out.index("in 3 s") :].splitlines()[1:]
    assert [line.split()[0] for line in totals] == ["eye", "(sent)", "(sent)"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_makes_it_leave_at_once_and_in_order(server: ServerProcess, number: signal.Signals) -> None:
    eye = Eye(server.url)
    async with eye.client, bot(server.url, *LIGHT) as running:
        await eye.sees_some()
        running.process.send_signal(number)
        async with asyncio.timeout(3):
            code, _, err = await running.end()
        await eye.is_alone()
    assert code == 0
    assert "left room 'tea'" in err
    assert "Traceback" not in err


async def test_a_signal_ends_it_before_it_has_joined() -> None:
    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    asked = asyncio.Event()
    deaf = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    port = deaf.sockets[0].getsockname()[1]
    async with deaf, bot(f"http://127.0.0.1:{port}") as running:
        async with asyncio.timeout(PATIENCE):
            await asked.wait()
        running.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(3):
            assert await running.end() == (0, "", "")


async def test_nobody_reading_its_output_makes_it_leave(server: ServerProcess) -> None:
    eye = Eye(server.url)
    read, write = os.pipe()
    async with eye.client:
        process = await asyncio.create_subprocess_exec(
            *CLIENT,
            *(server.url, "--room", "tea", "--name", "ada", *LIGHT),
            stdout=write,
            stderr=asyncio.subprocess.PIPE,
        )
        os.close(write)
        os.close(read)
        _, err = await process.communicate()
        await eye.is_alone()
    assert (process.returncode, b"Traceback" in err) == (0, False)


@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGKILL, "the server is gone"), (signal.SIGTERM, "the server is gone")]
)
async def test_a_server_that_dies_is_told_with_what_there_was(number: signal.Signals, said: str) -> None:
    async with ServerProcess("--log-level", "warning") as server, bot(server.url, *LIGHT) as running:
        await running.prints("(sent)")
        os.kill(server.pid, number)
        code, out, err = await running.end()
    assert code == 4
    assert err.splitlines()[-1].startswith(f"labsfu: {said}")
    assert "Traceback" not in err
    assert "in 1 s" in out


async def test_a_room_that_is_closed_ends_it(server: ServerProcess) -> None:
    async with bot(server.url, *LIGHT) as running, ApiClient(server.url) as api:
        await running.says("is in room")
        await api.delete_room("tea")
        code, _, err = await running.end()
    assert (code, err.splitlines()[-1]) == (4, "labsfu: the server has ended it: room closed")


async def test_the_same_name_twice_is_refused_and_the_first_stays(server: ServerProcess) -> None:
    async with LabClient(server.url, room="tea", name="ada") as first:
        code, out, err = await run(server.url, *LIGHT)
        assert (code, out) == (3, "")
        assert err == "labsfu: 'ada' is in room 'tea' already: choose another --name\n"
        assert first.signalling.end is None


async def test_a_bot_that_was_killed_can_come_again(server: ServerProcess) -> None:
    async with LabClient(server.url, room="tea", name="eye") as eye:
        async with bot(server.url, *LIGHT) as running:
            await running.says("eye is here")
            running.process.kill()
        await eye.until(lambda: not eye.participants[ParticipantId("ada")].connected, PATIENCE)
        code, _, err = await run(server.url, *LIGHT, "--seconds", "0.5")
    assert code == 0, err
    assert "takes the place of 'ada'" in err


async def test_a_full_room_is_refused(server: ServerProcess) -> None:
    async with ApiClient(server.url) as api:
        await api.create_room(RoomType.CONFERENCE, 1, "tea")
    async with LabClient(server.url, room="tea", name="eye"):
        code, out, err = await run(server.url)
    assert (code, out) == (3, "")
    assert err == "labsfu: the server refused: room 'tea' is full: all 1 places are taken\n"


async def test_a_broadcast_is_joined_as_such(server: ServerProcess) -> None:
    async with ApiClient(server.url) as api:
        await api.create_room(RoomType.BROADCAST, 10, "tea")
    code, _, err = await run(server.url, "--video", "none", "--seconds", "0.5")
    assert code == 0, err
    assert "sends a tone of" in err


async def test_a_server_that_wants_a_token_gets_it_from_flag_or_environment() -> None:
    async with ServerProcess("--log-level", "warning", "--token", "s3cret") as server:
        results = await asyncio.gather(
            run(server.url),
            run(server.url, "--token", "s3cret", "--seconds", "0.5", "--video", "none", name="flag"),
            run(server.url, "--seconds", "0.5", "--video", "none", name="environment", LABSFU_TOKEN="s3cret"),
        )
    assert [code for code, _, _ in results] == [3, 0, 0]
    assert "(--token or LABSFU_TOKEN)" in results[0][2]


async def test_a_wrong_word_is_refused_before_anybody_is_asked() -> None:
    code, out, err = await run("http://127.0.0.1:1", "--size", "640")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("labsfu: --size 640 is neither")


async def test_a_file_is_sent_over_a_bad_network(server: ServerProcess, tmp_path: Path) -> None:
    clip = write_media(tmp_path / "clip.mkv", pictures_at=[n / 10 for n in range(10)], sound_s=1.0, source=7)
    eye = Eye(server.url)
    async with eye.client:
        flags = ("--network", "wifi", "--seed", "5", "--seconds", "3", "--json", *LIGHT)
        code, out, err = await run(server.url, "--video", str(clip), "--audio", str(clip), *flags)
        assert set(eye.pictures.report().frames_by_source) == {7}
        assert eye.tones.hears(7)
    assert code == 0, err
    network = seconds(out)[-1]["network"]
    assert (network["name"], network["seed"]) == ("wifi", 5)
    assert network["up"]["packets"] > 100
    assert "its network is wifi; with --seed 5 it is the same again" in err


async def test_synthetic_bots_count_each_others_frames(server: ServerProcess) -> None:
    async with bot(server.url, "--synthetic", "--json", name="grace") as grace:
        await grace.says("is in room")
        ada = await run(server.url, "--synthetic", "--json", "--seconds", "3")
        grace.process.send_signal(signal.SIGINT)
        results = ada, await grace.end()
    for (code, out, err), other in zip(results, ("grace", "ada"), strict=True):
        assert code == 0, err
        last = [report for report in seconds(out) if len(report["inbound"]) == 2][-1]
        video = stream(last, "inbound", "video")
        assert (video["participantId"], video["frameWidth"]) == (other, None)
        assert video["framesDecoded"] > 10
        assert 0 < video["latency"] < 0.5


async def test_a_stream_that_it_cannot_receive_is_told_and_the_others_are_received(server: ServerProcess) -> None:
    eye = Eye(server.url)
    async with eye.client:
        await eye.client.publish(PatternTrack(3, fps=10, size=(320, 180)), codec="video/H264")
        await eye.client.publish(ToneTrack(3))
        code, out, err = await run(server.url, "--synthetic", "--video", "none", "--seconds", "1.1", "--json")
    assert code == 0, err
    assert "cannot receive the video of eye: " in err
    assert [one["kind"] for one in seconds(out)[-1]["inbound"]] == ["audio"]
