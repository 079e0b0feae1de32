"""Nothing is sent anywhere: what the sources import, what a package could do by itself, and what commands try."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import planted_files
import pytest
from canaries import Canaries
from network_watch import Watch

from XRayTo3DLib.cli.main import main

_MODULES = """socket ssl http urllib requests httpx aiohttp ftplib smtplib poplib imaplib telnetlib xmlrpc asyncio
socketserver webbrowser huggingface_hub boto3 paramiko wandb sentry_sdk mlflow comet_ml neptune urllib3
gdown pynetdicom"""
NETWORK_MODULES = frozenset(_MODULES.split())
ALLOWED = {
    "XRayTo3DLib/evaluation/scene_nodes.py": {"urllib"},  # urllib.parse.quote: text only
    "XRayTo3DLib/shape/vtk_legacy.py": {"urllib"},  # urllib.parse.unquote: text only
    "XRayTo3DLib/training/logs.py": {"socket"},  # gethostname: takes the computer's name out of a file's
}
"""Sources that import such a module, and why."""
PROGRAMS = {
    "XRayTo3DLib/jobs/process_mark.py",  # no more than the type: children that were started
    "XRayTo3DLib/jobs/run.py",  # workers: this Python
    "XRayTo3DLib/machine.py",  # sysctl on macOS
    "XRayTo3D/XRayTo3DGui/setup/install.py",  # pip's own error; pip runs when a person has agreed
}
"""Sources that start programs."""
DOWNLOADS = ("torch.hub", "load_state_dict_from_url", "hf_hub", "from_pretrained(", "urlretrieve", "download(", "pooch")


def sources(repository: Path) -> Iterator[tuple[str, str]]:
    for folder in ("XRayTo3D", "XRayTo3DLib"):
        for path in (repository / folder).rglob("*.py"):
            yield path.relative_to(repository).as_posix(), path.read_text(encoding="utf-8")


def imported(text: str) -> set[str]:
    """First parts of everything that is imported, inside functions too."""
    return set(re.findall(r"^\s*(?:import|from)\s+(\w+)", text, re.MULTILINE))


def test_no_source_imports_the_network(repository: Path) -> None:
    found = {name: imported(text) & NETWORK_MODULES for name, text in sources(repository)}
    assert {name: modules for name, modules in found.items() if modules} == ALLOWED


def test_programs_are_started_in_few_places_only(repository: Path) -> None:
    assert {name for name, text in sources(repository) if "subprocess" in imported(text)} == PROGRAMS


def test_urllib_is_used_for_its_texts_alone(repository: Path) -> None:
    lines = {line.strip() for _name, text in sources(repository) for line in text.splitlines() if "urllib" in line}
    assert lines == {"from urllib.parse import quote", "from urllib.parse import unquote"}


def test_nothing_downloads_weights_or_data(repository: Path) -> None:
    found = [(name, word) for name, text in sources(repository) for word in DOWNLOADS if word in text]
    assert found == []


def test_pip_runs_only_where_a_person_is_asked(repository: Path) -> None:
    installers = {
        name for name, text in sources(repository) if re.search(r"\bpip_(install|ensure)\b|-m.{1,4}pip\b", text)
    }
    told = "XRayTo3DLib/models/bundle_files.py"  # a sentence that says what to type
    assert installers - {told} == {"XRayTo3D/XRayTo3DGui/setup/install.py"}


# ---- the watch itself, and commands under it -------------------------------------------------------------------------


def test_the_watch_sees_a_connection_and_a_look_up() -> None:
    with Watch().watching("a test") as watch, socket.socket() as stream:
        stream.settimeout(0.01)
        with pytest.raises(OSError):
            stream.connect(("127.0.0.1", 9))
        socket.getaddrinfo("localhost", 80)
        subprocess.run([sys.executable, "-c", ""], check=True)
    assert [each.split()[2] for each in watch.forbidden] == ["socket.connect", "socket.getaddrinfo"]
    assert watch.programs == [Path(sys.executable).name]


def test_commands_try_no_connection(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    canaries = Canaries()
    ct = planted_files.volume(tmp_path / "ct.nrrd", canaries)
    labels = planted_files.labels(tmp_path / "labels.seg.nrrd", canaries)
    mine, camera = tmp_path / "mine", tmp_path / "camera.json"
    with Watch().watching() as watch:
        for words in (
            ("doctor", "--json"),
            ("models", "list"),
            ("camera", "--sdd", 1000, "--spacing", 0.8, 0.9, "--size", 110, 120, "--view", "PA", "-o", camera),
            ("drr", ct, "--camera", camera, "-o", tmp_path / "drr.nrrd"),
            ("dataset", "new", mine, "--bones", "bone", "--frame", "lps"),
            ("dataset", "add", mine, "one", "--ct", ct, "--labels", labels),
            ("dataset", "add-view", mine, "one", tmp_path / "drr.nrrd", "--name", "pa"),
            ("dataset", "prepare", mine, "--workers", 2),
            ("info", tmp_path / "drr.nrrd"),
        ):
            assert main([str(word) for word in words]) == 0, words
    assert watch.forbidden == []
    capsys.readouterr()
