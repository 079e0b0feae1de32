"""``xrayto3d doctor``: what is installed, which device computes, how much memory and disk is free."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from XRayTo3DLib.cli.console import say
from XRayTo3DLib.files import write_json

FORMAT = "xrayto3d.doctor/1"
EPILOG = """examples:
  xrayto3d doctor
  xrayto3d doctor --folder trainings --json

Looks only; installs nothing, sends nothing. Exit code 0 when everyday work can be done, 3 when something needed for it
is missing or too old (the lines "problem" say what).
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the ``doctor`` sub-command to the main parser."""
    parser = subparsers.add_parser(
        "doctor",
        help="what is installed, which device computes, how much memory and disk is free",
        description="What is installed, which device computes, how much memory and disk is free.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, default=Path(), help="where there should be room on the disk")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("-o", "--output", type=Path, help="write that JSON object into a file, too")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Examine and print."""
    found = examine(args.folder)
    if args.output is not None:
        write_json(args.output, found)
    say(json.dumps(found, indent=2) if args.json else "\n".join(report_lines(found)))
    return 3 if found["problems"] else 0


def examine(folder: Path | str = ".") -> dict[str, Any]:
    """All that ``doctor`` tells, as plain values; loads PyTorch."""
    from XRayTo3DLib.machine import describe_device, describe_machine
    from XRayTo3DLib.packages import installed_packages, problems

    packages = installed_packages()
    device = describe_device()
    sentences = problems(packages)
    if device["problem"] and not any(text.startswith("torch") for text in sentences):
        sentences.append(device["problem"])
    return {
        "format": FORMAT,
        "machine": describe_machine(folder),
        "device": device,
        "packages": [
            {"name": each.package.name, "group": each.package.group, "version": each.version, "state": each.state}
            | {"minimum": each.package.minimum, "purpose": each.package.purpose}
            for each in packages
        ],
        "problems": sentences,
    }


def report_lines(found: dict[str, Any]) -> list[str]:
    """The human form of what :func:`examine` gives."""
    from XRayTo3DLib.machine import gigabytes

    machine, device = found["machine"], found["device"]
    memory, free, disk = (gigabytes(machine[key]) for key in ("memory_bytes", "memory_free_bytes", "disk_free_bytes"))
    lines = [
        f"computer   {machine['system']}, Python {machine['python']}, {machine['cores']} cores",
        f"memory     {free} free of {memory}; disk {disk} free",
        f"device     {device_text(device)}",
        "",
    ]
    for each in found["packages"]:
        state = {"ready": each["version"], "missing": "missing"}.get(each["state"])
        state = state or f"{each['version']}, too old: {each['minimum']} or newer"
        lines.append(f"{each['name']:<20}{state:<28}{each['purpose']}")
    lines += ["", *(f"problem: {text}" for text in found["problems"])]
    return lines if found["problems"] else [*lines, "everything that everyday work needs is there"]


def device_text(device: dict[str, Any]) -> str:
    """One line: what PyTorch computes on."""
    from XRayTo3DLib.machine import gigabytes

    if device["problem"]:
        return device["problem"]
    if device["kind"] == "cuda":
        free, whole = gigabytes(device["memory_free_bytes"]), gigabytes(device["memory_bytes"])
        return f"{device['name']}, {free} free of {whole}"
    return f"{device['name']}, {device['threads']} threads"
