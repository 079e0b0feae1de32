#!/usr/bin/env python3
"""Known vulnerabilities of everything that XRayTo3DLib and its extras bring, as installed here, asked of pip-audit.

    .venv/bin/python .ci/audit.py            # exit code 0: none; 1: some; 2: the service could not be asked

pip-audit is installed into an environment of its own that is removed afterwards. What is sent to the service (PyPI's,
or OSV's with ``--service osv``) are names and versions of packages.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import venv
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

EXTRAS = "compressed,dicom,fast,train"
CLEAN, VULNERABLE, UNKNOWN = 0, 1, 2


def installed() -> list[str]:
    """``name==version`` of all that the library and its extras need here; builds' own marks (+cpu) are left out."""
    spec = importlib.util.spec_from_file_location("sbom", Path(__file__).with_name("sbom.py"))
    assert spec is not None and spec.loader is not None
    sbom = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sbom)
    names = sorted(sbom.closure([Requirement(f"XRayTo3DLib[{EXTRAS}]")]))
    return [f"{name}=={Version(metadata.version(name)).public}" for name in names if name != "xrayto3dlib"]


def asked(pins: list[str], service: str, folder: Path) -> list[dict[str, Any]]:
    """What pip-audit says of each; nothing where the service cannot be reached."""
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    subprocess.run([python, "-m", "pip", "--quiet", "install", "pip-audit"], check=True)
    file = folder / "installed.txt"
    file.write_text("\n".join(pins) + "\n", encoding="utf-8")
    words = ["-r", str(file), "--no-deps", "--disable-pip", "--progress-spinner", "off", "-f", "json", "-s", service]
    done = subprocess.run([python, "-m", "pip_audit", *words], capture_output=True, text=True)
    try:
        return json.loads(done.stdout)["dependencies"]
    except json.JSONDecodeError:
        sys.stdout.write(f"pip-audit: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'no answer'}\n")
        return []


def told(pins: list[str], found: list[dict[str, Any]]) -> int:
    """Print what was found; returns the exit code."""
    known = [each for each in found if "skip_reason" not in each]
    bad = [each for each in known if each["vulns"]]
    for each in bad:
        for fault in each["vulns"]:
            fixed = ", ".join(fault["fix_versions"]) or "no version"
            sys.stdout.write(f"{each['name']} {each['version']}: {fault['id']}, mended in {fixed}\n")
    sys.stdout.write(f"{len(pins)} packages, {len(known)} looked up, {len(bad)} with known vulnerabilities\n")
    if bad:
        return VULNERABLE
    if len(known) < len(pins):
        sys.stdout.write("The others could not be looked up: ask again where the service can be reached.\n")
        return UNKNOWN
    return CLEAN


def main() -> int:
    """Ask; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--service", choices=("pypi", "osv"), default="pypi", help="which one to ask (pypi)")
    args = parser.parse_args()
    pins = installed()
    with tempfile.TemporaryDirectory() as folder:
        return told(pins, asked(pins, args.service, Path(folder)))


if __name__ == "__main__":
    raise SystemExit(main())
