"""``xrayto3d``: the command. Sub-commands are imported only when they run, so that --help is quick."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from XRayTo3DLib import __version__
from XRayTo3DLib.cli.console import complain
from XRayTo3DLib.errors import XRayTo3DError
from XRayTo3DLib.explain import explained

COMMANDS = (
    "info",
    "camera",
    "drr",
    "register",
    "evaluate",
    "phantom",
    "demo",
    "benchmark",
    "dataset",
    "train",
    "reconstruct",
    "refine",
    "experiment",
    "compare",
    "ssm",
    "models",
    "doctor",
)

DESCRIPTION = """From one or two plain radiographs to patient-specific 3D bones: X-ray geometry, projection,
2D-3D registration and evaluation. RESEARCH USE ONLY: not clinically validated, not a medical device."""

EPILOG = """exit codes:
  0    done (register: whatever its verdict, which is printed and in registration.json)
  1    something unexpected: a bug; run again with --debug and report what it prints
  2    bad input: a file, option or value that cannot be used, or no room, memory or right to write; the message
       says which and what to do
  3    demo: it ran, but missed its own accuracy target; doctor: something needed is missing
  130  interrupted (Ctrl-C); nothing half written is left

examples:
  xrayto3d info wrist.dcm
  xrayto3d register --ct ct.nrrd --labels labels.seg.nrrd --label radius \\
                    --view pa.png:pa.json --view lat.png:lat.json --initial start.tfm -o out
  xrayto3d COMMAND --help
"""

INTERRUPTED = 130


def build_parser() -> argparse.ArgumentParser:
    """The parser with every sub-command."""
    parser = argparse.ArgumentParser(
        prog="xrayto3d",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"xrayto3d {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the full trace of an error")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"XRayTo3DLib.cli.{name}").add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; see :data:`EPILOG`."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    try:
        return int(args.run(args))
    except XRayTo3DError as error:
        if args.debug:
            raise
        complain(f"xrayto3d: error: {error}")
        return 2
    except KeyboardInterrupt:
        complain("xrayto3d: interrupted; nothing half written is left.")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough (| head); Python would complain again when it closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if args.debug:
            raise
        if why := explained(error):
            complain(f"xrayto3d: error: {why}")
            return 2
        complain(f"xrayto3d: unexpected {type(error).__name__}: {error}. Run again with --debug and report it.")
        return 1


if __name__ == "__main__":
    sys.exit(main())
