"""The command line. Every command imports what it needs when it runs: the server is Trio, the laboratory asyncio."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from labsfu.config import LOG_FORMATS, LOG_LEVELS, Config, load_config
from labsfu.errors import ConfigError

C = TypeVar("C", bound=Callable[..., Any])

EXIT_USAGE = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(package_name="labsfu")
@click.pass_context
def main(context: click.Context) -> None:
    """A WebRTC SFU with its own laboratory.

    Without a command, on a terminal: a server of its own and the dashboard over it, until q.
    """
    if context.invoked_subcommand is not None:
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        click.echo(context.get_help())
        context.exit(EXIT_USAGE)
    from tui.command import watch_own  # noqa: PLC0415 - see the module's docstring

    sys.exit(watch_own(token=os.environ.get("LABSFU_TOKEN"), ca=os.environ.get("LABSFU_CERT")))


def server_options(command: C) -> C:
    """The options of a command that runs a server. Flags win over LABSFU_*, that over the file."""
    for option in reversed(
        (
            click.option("--host", metavar="NAME", help="Where HTTP is bound.  [default: 127.0.0.1]"),
            click.option("--port", metavar="PORT", help="Port of HTTP; 0 means any free one.  [default: 8000]"),
            click.option("--media-address", metavar="IP,…", help="Where media is bound.  [default: 127.0.0.1]"),
            click.option("--media-port", metavar="PORT", help="UDP port; 0 means any free one.  [default: 40000]"),
            click.option("--announce", metavar="IP,…", help="What clients are told for media instead."),
            click.option(
                "--workers", metavar="N", help="Processes for media; 0: none.  [default: cores - 1, at least 1]"
            ),
            click.option("--router-capacity", metavar="N", help="People of a room on one router.  [default: 100]"),
            click.option("--codecs", metavar="NAME,…", help="Router codecs.  [default: opus,VP8,H264,PCMU,PCMA,G722]"),
            click.option("--token", metavar="TEXT", help="What callers must show; better given as LABSFU_TOKEN."),
            click.option("--cert", metavar="FILE", help="Serve HTTPS with this certificate (PEM); goes with --key."),
            click.option("--key", metavar="FILE", help="The private key (PEM) of --cert."),
            click.option("--log-level", metavar="LEVEL", help=f"One of {', '.join(LOG_LEVELS)}.  [default: info]"),
            click.option("--log-format", metavar="FORMAT", help=f"One of {', '.join(LOG_FORMATS)}.  [default: text]"),
            click.option(
                "--config",
                "file",
                metavar="FILE",
                type=click.Path(path_type=Path),
                envvar="LABSFU_CONFIG",
                help="A TOML file.",
            ),
        )
    ):
        command = option(command)
    return command


@main.command("serve")
@server_options
def serve_command(file: Path | None, **flags: str | None) -> None:
    """Run the server until Ctrl-C or SIGTERM."""
    from labsfu.server import serve  # noqa: PLC0415 - see the module's docstring

    try:
        serve(_load(file, flags))
    except ConfigError as error:
        _refuse(error)


def _load(file: Path | None, flags: dict[str, str | None]) -> Config:
    return load_config({name.replace("_", "-"): value for name, value in flags.items()}, os.environ, file)


@main.command("doctor")
@server_options
@click.option("--json", is_flag=True, help="Print one JSON object instead of lines.")
def doctor_command(file: Path | None, json: bool, **flags: str | None) -> None:
    """Check this machine and the settings of a server, and say how to mend what is wrong.

    Exit codes: 0 nothing fails, 1 something does.
    """
    from labsfu.doctor import run_doctor  # noqa: PLC0415 - see the module's docstring

    try:
        config, wrong = _load(file, flags), None
    except ConfigError as error:
        config, wrong = Config(), str(error)
    sys.exit(run_doctor(config, wrong, json=json))


@main.command("make-cert")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--address", metavar="NAME,…", help="IP addresses and DNS names.  [default: all of this machine]")
@click.option("--days", metavar="N", default=825, show_default=True, type=click.IntRange(1, 3650), help="How long.")
def make_cert_command(directory: Path, address: str | None, days: int) -> None:
    """Make a certificate for `--cert` and `--key`, and the authority that clients must trust for it.

    DIR gets ca.pem, cert.pem and key.pem. Nobody else can be vouched for with ca.pem: its key is thrown away.
    """
    from labsfu.shell.lab_certificate import make_cert  # noqa: PLC0415 - see the module's docstring

    try:
        click.echo(make_cert(directory, address, days))
    except ConfigError as error:
        _refuse(error)


def run_options(command: C) -> C:
    """The options of a command that runs a scenario."""
    for option in reversed(
        (
            click.option("--against", metavar="URL", help="A running server; without it, one is started and ended."),
            click.option("--token", metavar="TEXT", envvar="LABSFU_TOKEN", help="What the server wants to be shown."),
            click.option("--ca", metavar="FILE", help="Trust these certificates (PEM) for https://, and no others."),
            click.option("--host", metavar="NAME", help="Where the server that is started serves HTTP."),
            click.option("--media-address", metavar="IP,…", help="Where it takes media."),
            click.option("--mode", type=click.Choice(["plain", "json"]), default="plain", show_default=True),
        )
    ):
        command = option(command)
    return command


@main.command("demo")
@click.option("--people", metavar="N", default="3", show_default=True, help="How many join.")
@click.option("--seconds", metavar="S", default="10", show_default=True, help="How long they talk.")
@run_options
def demo_command(people: str, seconds: str, **options: str | None) -> None:
    """A real call: a server, people who join, talk and leave, and a verdict."""
    _run_scenario("rooms.conference", {"people": people, "seconds": seconds}, **options)


@main.command("client")
@click.argument("url", metavar="URL")
@click.option("--room", metavar="ROOM", required=True, help="The room to join; it is made if it is not there.")
@click.option("--name", metavar="NAME", required=True, help="What the others see.")
@click.option("--video", metavar="WHAT", help="pattern, screen, none, or a media file.  [default: pattern]")
@click.option("--audio", metavar="WHAT", help="tone, none, or a media file.  [default: tone]")
@click.option("--size", metavar="WxH", help="Of the pictures; 180p, 360p, 720p, too.  [default: 640x360; screen: 720p]")
@click.option("--fps", metavar="N", help="Pictures a second.  [default: 15; screen: 5; file: its own; synthetic: 30]")
@click.option("--synthetic", is_flag=True, help="Send made-up RTP and decode nothing: for many bots on one machine.")
@click.option("--layers", metavar="N", help="With --synthetic: send N encodings of the picture, 1 to 3 (simulcast).")
@click.option("--prefer", metavar="S[:T]", help="Receive at most spatial layer S, temporal layer T, both from 0.")
@click.option("--network", metavar="NAME", help="Go over a bad network: wifi, lte, 3g, satellite, congested, broken.")
@click.option("--seed", metavar="N", help="What the network decides; the same again with the same.  [default: random]")
@click.option("--seconds", metavar="S", help="Leave after so long.  [default: stay until Ctrl-C]")
@click.option("--json", is_flag=True, help="Print a JSON object each second instead of a table.")
@click.option("--pcap", metavar="FILE", help="Write all RTP and RTCP there, decrypted, for Wireshark (pcapng).")
@click.option("--token", metavar="TEXT", envvar="LABSFU_TOKEN", help="What the server wants to be shown.")
@click.option("--ca", metavar="FILE", help="Trust these certificates (PEM) for https://, and no others.")
def client_command(**words: Any) -> None:  # noqa: ANN401 - click's values, checked where they are read
    """Join a room as one more participant: send, receive everybody, and say each second how well that goes.

    Exit codes: 0 asked to leave, 2 wrong command line or file, 3 refused or failed, 4 the server is gone.
    """
    from clients.bot import Words, run_client  # noqa: PLC0415 - see the module's docstring

    sys.exit(run_client(Words(**words)))


@main.command("cascade")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--room", metavar="ROOM", required=True, help="The room, on both; waited for where it is not.")
@click.option("--token-a", metavar="TEXT", envvar=["LABSFU_TOKEN_A", "LABSFU_TOKEN"], help="What A wants to be shown.")
@click.option("--token-b", metavar="TEXT", envvar=["LABSFU_TOKEN_B", "LABSFU_TOKEN"], help="What B wants to be shown.")
@click.option("--ca", metavar="FILE", help="Trust these certificates (PEM) for https://, and no others.")
@click.option("--one-way", is_flag=True, help="From A to B only.")
@click.option("--srtp/--no-srtp", default=None, help="Encrypt what goes between them.  [default: unless on loopback]")
@click.option("--rtx/--no-rtx", default=True, help="Repair what is lost between them.  [default: rtx]")
@click.option("--listen-a", metavar="IP", help="Where pipes listen on A.  [default: where its media comes in]")
@click.option("--listen-b", metavar="IP", help="Where pipes listen on B.  [default: where its media comes in]")
@click.option("--patience", metavar="S", help="How long a server may be away.  [default: 60]")
@click.option("--mode", type=click.Choice(["plain", "json"]), default="plain", show_default=True)
def cascade_command(**words: Any) -> None:  # noqa: ANN401 - click's values, checked where they are read
    """Join a room of server A to the same room of server B, until Ctrl-C: people on each see those on the other.

    Exit codes: 0 asked to end, 2 wrong command line or file, 3 refused or failed, 4 a server was away for too long.
    """
    from clients.cascade.command import run_cascade  # noqa: PLC0415 - see the module's docstring
    from clients.cascade.options import Words  # noqa: PLC0415 - the same

    sys.exit(run_cascade(Words(**words)))


@main.command("tui")
@click.argument("url", metavar="URL")
@click.option("--token", metavar="TEXT", envvar="LABSFU_TOKEN", help="What the server wants to be shown.")
@click.option("--ca", metavar="FILE", help="Trust these certificates (PEM) for https://, and no others.")
def tui_command(url: str, token: str | None, ca: str | None) -> None:
    """Watch a running server: workers, rooms, people, streams, events. Ends with q; ? helps.

    Exit codes: 0 asked to quit, 2 wrong command line, 3 the dashboard failed.
    """
    from tui.command import watch  # noqa: PLC0415 - see the module's docstring

    sys.exit(watch(url, token, ca))


@main.command("run")
@click.argument("name", metavar="SCENARIO")
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="A parameter of the scenario; repeatable.")
@run_options
def run_command(name: str, settings: tuple[str, ...], **options: str | None) -> None:
    """Run a scenario."""
    pairs = [setting.partition("=") for setting in settings]
    _run_scenario(name, {key: value for key, _, value in pairs}, **options)


def _run_scenario(
    name: str,
    settings: dict[str, str],
    *,
    against: str | None,
    token: str | None,
    ca: str | None,
    host: str | None,
    media_address: str | None,
    mode: str | None,
) -> NoReturn:
    from scenarios.command import run_and_report  # noqa: PLC0415 - see the module's docstring

    server = {"--host": host, "--media-address": media_address}
    flags = [word for flag, value in server.items() if value is not None for word in (flag, value)]
    sys.exit(
        run_and_report(name, settings, against=against, token=token, ca=ca, server_flags=flags, mode=mode or "plain")
    )


def _refuse(error: ConfigError) -> NoReturn:
    click.echo(f"labsfu: {error}", err=True)
    sys.exit(EXIT_USAGE)
