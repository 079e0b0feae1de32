"""Python's audit events of the network: what connects, looks up a name or opens an address, and what programs start."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_EVENTS = """socket.connect socket.getaddrinfo socket.gethostbyname socket.gethostbyaddr socket.getnameinfo
socket.sendto socket.sendmsg urllib.Request http.client.connect http.client.send ftplib.connect smtplib.connect
ssl.wrap_socket webbrowser.open telnetlib.Telnet.open poplib.connect imaplib.open nntplib.connect"""
NETWORK = frozenset(_EVENTS.split())
BEGUN = "begun"
PROGRAMS = frozenset(("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.startfile"))


class Watch:
    """What was tried while :meth:`watching`; hooks cannot be removed, so there is one for the whole process."""

    _listening: Watch | None = None
    _hooked = False

    def __init__(self) -> None:
        self.forbidden: list[str] = []
        self.programs: list[str] = []
        self.children = 0
        """Processes that were started and watched."""
        self._doing = ""
        self._file = Path()

    def follow_children(self, folder: Path) -> None:
        """Have every Python that is started from now on note its own events in a file of ``folder``."""
        own, place = Path(__file__).resolve().parent, folder / "sitecustomize"
        place.mkdir()
        (place / "sitecustomize.py").write_text(
            f"import sys\nsys.path.insert(0, {str(own)!r})\nimport network_watch\nsys.path.pop(0)\n"
            "network_watch.note_into_file()\n"
        )
        self._file = folder / "network.txt"
        os.environ["NETWORK_WATCH"] = str(self._file)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(place), os.environ.get("PYTHONPATH")]))

    def read_children(self) -> None:
        """Take over what the children have noted; each has written a first line when it began."""
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        self.children = lines.count(BEGUN)
        self.forbidden += [f"a process that was started: {line}" for line in lines if line != BEGUN]

    @contextmanager
    def watching(self, doing: str = "") -> Iterator[Watch]:
        """Note what happens inside, in any thread."""
        if not Watch._hooked:
            sys.addaudithook(_hook)
            Watch._hooked = True
        self._doing, Watch._listening = doing, self
        try:
            yield self
        finally:
            Watch._listening = None

    def note(self, event: str, details: tuple[object, ...]) -> None:
        if event in NETWORK and not _inside_the_computer(event, details):
            self.forbidden.append(f"{self._doing}: {event} {details[1:] or details}"[:300])
        elif event in PROGRAMS:
            name = Path(str(details[0])).name
            if name not in self.programs:
                self.programs.append(name)


def note_into_file() -> None:
    """In a process of its own: every event of the network becomes a line of the file that the environment names.

    The computer is called there what the environment says.
    """
    import platform
    import socket

    socket.gethostname = platform.node = lambda: os.environ["HOSTNAME"]

    def hook(event: str, details: tuple[object, ...]) -> None:
        if event in NETWORK and not _inside_the_computer(event, details):
            _append(f"{event} {details[1:] or details}"[:300])

    _append(BEGUN)
    sys.addaudithook(hook)


def _append(line: str) -> None:
    with Path(os.environ["NETWORK_WATCH"]).open("a") as stream:
        stream.write(line + "\n")


def _inside_the_computer(event: str, details: tuple[object, ...]) -> bool:
    """A socket between processes of one computer has a path for an address, as multiprocessing's have."""
    return event == "socket.connect" and len(details) > 1 and isinstance(details[1], str | bytes)


def _hook(event: str, details: tuple[object, ...]) -> None:
    if Watch._listening is not None and (event in NETWORK or event in PROGRAMS):
        Watch._listening.note(event, details)
