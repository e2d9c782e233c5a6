"""Children that play a worker: scripts of a few lines, which say and do what a test wants, right or wrong.

A script has `end`, its end of the stream; `hear()`, the body of the next frame, which ends it at the end of the stream;
READY, PONG and `obey()`, which answers pings until the end.
"""

from __future__ import annotations

import sys

from labsfu.shell.frames import frame
from labsfu.shell.worker_messages import Pong, Ready
from labsfu.wire.rtp import RtpCapabilities

LISTEN = "udp:127.0.0.1:7"
READY = frame(Ready(listen=(LISTEN,), rtp_capabilities=RtpCapabilities(codecs=())))
PONG = frame(Pong(load=0.25))

_PRELUDE = f"""
import os, signal, socket, struct, sys, time
end = socket.socket(fileno=int(sys.argv[2]))
READY, PONG = {READY!r}, {PONG!r}
def take(count):
    data = b""
    while len(data) < count:
        some = end.recv(count - len(data))
        if not some:
            sys.exit(0)
        data += some
    return data
def hear():
    return take(struct.unpack("!I", take(4))[0])
def obey():
    while True:
        if b"ping" in hear():
            end.sendall(PONG)
"""


def playing(*lines: str) -> tuple[str, ...]:
    """The command of a child that does this."""
    return (sys.executable, "-I", "-S", "-c", "\n".join((_PRELUDE, *lines)))
