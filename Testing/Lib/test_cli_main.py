"""The command itself: help, exit codes, errors in words, plain lines in a pipe."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from XRayTo3DLib import __version__
from XRayTo3DLib.cli import console
from XRayTo3DLib.cli import main as cli
from XRayTo3DLib.cli.main import COMMANDS, main
from XRayTo3DLib.errors import InputError


def fails_with(error: BaseException, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    """Exit code of a command that raises."""
    from XRayTo3DLib.cli import info

    def run(_: object) -> int:
        raise error

    monkeypatch.setattr(info, "run", run)
    return main([*options, "info", "x.png"])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_s_help_has_an_example_of_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    examples = text.partition("example")[2]
    assert f"xrayto3d {command} " in examples
    assert "--json" in text


def test_the_main_help_lists_commands_exit_codes_and_the_research_label(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0 and "RESEARCH USE ONLY" in text and "exit codes:" in text
    for command in COMMANDS:
        assert re.search(rf"^    {command}\s", text, re.MULTILINE)


def test_examples_of_the_help_parse(capsys: pytest.CaptureFixture[str]) -> None:
    """Every example line is a command that the parser takes."""
    parser = cli.build_parser()
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        text = capsys.readouterr().out.replace("\\\n", " ")
        lines = re.findall(r"^\s*xrayto3d (.*)$", text.partition("example")[2], re.MULTILINE)
        assert lines
        for line in lines:
            assert parser.parse_args(shlex.split(line)).run


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0 and capsys.readouterr().out.strip() == f"xrayto3d {__version__}"


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["drr"], ["register", "--starts", "few"]])
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2 and "usage: xrayto3d" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (InputError("ct.nrrd is empty; export it again."), 2, "error: ct.nrrd is empty; export it again."),
        (FileNotFoundError(2, "No such file or directory", "out/x"), 2, "error: No such file or directory: out/x"),
        (PermissionError(13, "Permission denied", "/x"), 2, "error: Permission denied: /x"),
        (KeyboardInterrupt(), 130, "interrupted; nothing half written is left"),
        (ZeroDivisionError("division by zero"), 1, "unexpected ZeroDivisionError: division by zero. Run again with"),
    ],
    ids=["input", "missing", "permission", "interrupt", "bug"],
)
def test_exit_codes_and_one_line_each(
    error: BaseException,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert fails_with(error, monkeypatch) == code
    captured = capsys.readouterr()
    assert words in captured.err and captured.err.count("\n") == 1
    assert captured.out == "" and "Traceback" not in captured.err


@pytest.mark.parametrize("error", [InputError("x"), OSError("y"), ZeroDivisionError("z")])
def test_debug_shows_the_trace(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(type(error)):
        fails_with(error, monkeypatch, "--debug")


# ---- progress ------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_in_a_pipe_is_plain_lines_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    progress = console.Progress("register", every_s=1000.0)
    for share in (0.0, 0.5, 1.0):
        progress.update("step", share)
    progress.done()
    assert pipe.getvalue() == "register   0 %  step\n"


def test_progress_on_a_terminal_overwrites_itself_and_vanishes(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    progress = console.Progress("register")
    progress.update("a long step", 0.25)
    progress.update("short", 0.5)
    progress.done()
    lines = screen.getvalue().split("\r")
    assert "\n" not in screen.getvalue()
    assert lines[1] == "register  25 %  a long step" and lines[2].rstrip() == "register  50 %  short"
    assert len(lines[2]) == len(lines[1]) and lines[-1] == ""


def test_quiet_progress_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in (io.StringIO(), Terminal()):
        monkeypatch.setattr(sys, "stderr", stream)
        progress = console.Progress("register", quiet=True)
        progress.update("step", 0.5)
        progress.done()
        assert stream.getvalue() == ""


# ---- as a program ------------------------------------------


def test_the_program_itself(tmp_path: Path) -> None:
    """One real process: standard output holds the JSON alone, the error its own line, the exit code arrives."""
    (tmp_path / "broken.png").write_bytes(b"\x89PNG broken")
    program = [sys.executable, "-m", "XRayTo3DLib.cli.main", "info", "broken.png", "--json"]
    ended = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 2
    content = json.loads(ended.stdout)
    assert "broken.png cannot be read: it cannot be decoded as PNG" in content["radiographs"][0]["error"]
    assert ended.stderr.startswith("error: ") and "Traceback" not in ended.stderr
    assert "\r" not in ended.stderr and "\x1b" not in ended.stdout + ended.stderr


def test_a_reader_that_closes_the_pipe_is_no_error() -> None:
    """xrayto3d ... | head: no complaint on the other stream, no trace."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "XRayTo3DLib.cli.main", "models", "list"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
