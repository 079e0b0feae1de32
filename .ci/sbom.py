#!/usr/bin/env python3
"""A software bill of materials (CycloneDX 1.5, JSON) of XRayTo3DLib as this Python has it installed.

    .venv/bin/python .ci/sbom.py -o dist/sbom.cdx.json
    .venv/bin/python .ci/sbom.py --extras fast train dicom compressed -o dist/sbom.cdx.json

Lists every distribution that the library or a chosen extra needs, directly or not, with version, licence and who needs
whom, and the demonstration models with their checksums. Nothing is looked up and nothing is sent; the same environment
gives the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import uuid
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[1]
ROOT = "XRayTo3DLib"
EXTRAS = ("fast", "compressed", "train", "dicom")
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/XRayTo3D/SlicerXRayTo3D")
SPDX = re.compile(r"[\w.+-]+(?:-[\w.+-]+)*")


def needed(name: str, extras: frozenset[str]) -> list[Requirement]:
    """What an installed distribution needs here, with some extras."""
    found = []
    for text in metadata.requires(name) or []:
        requirement = Requirement(text)
        chosen = {*extras, ""}
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": each}) for each in chosen):
            found.append(requirement)
    return found


def closure(requirements: Iterable[Requirement]) -> dict[str, set[str]]:
    """By canonical name of a distribution those that it needs, from some on; what is not installed is left out."""
    graph: dict[str, set[str]] = {}
    waiting = [(canonicalize_name(each.name), frozenset(each.extras)) for each in requirements]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            wanted = needed(name, extras)
        except metadata.PackageNotFoundError:
            continue
        graph.setdefault(name, set()).update(canonicalize_name(each.name) for each in wanted)
        waiting += [(canonicalize_name(each.name), frozenset(each.extras)) for each in wanted]
    return {name: {other for other in others if other in graph} for name, others in graph.items()}


def licence_of(name: str) -> str:
    """A distribution's licence as its metadata states it: an expression, else classifiers, else the first line."""
    about = metadata.metadata(name)
    if about.get("License-Expression"):
        return about["License-Expression"]
    classifiers = [each for each in about.get_all("Classifier") or [] if each.startswith("License ::")]
    kinds = [each.rpartition(" :: ")[2] for each in classifiers if not each.endswith("OSI Approved")]
    lines = [line.strip() for line in (about.get("License") or "").splitlines() if line.strip()]
    if kinds and not (lines and SPDX.fullmatch(lines[0])):
        return " AND ".join(kinds)
    return lines[0][:100] if lines else " AND ".join(kinds) or "not stated"


def component(name: str) -> dict[str, Any]:
    """A distribution as CycloneDX has it."""
    about, version = metadata.metadata(name), metadata.version(name)
    expression = about.get("License-Expression")
    stated = {"expression": expression} if expression else {"license": {"name": licence_of(name)}}
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": reference(name),
        "name": about["Name"],
        "version": version,
        "purl": reference(name),
        "licenses": [stated],
    }
    if about.get("Summary"):
        made["description"] = about["Summary"]
    return made


def reference(name: str) -> str:
    """A distribution's package URL."""
    return f"pkg:pypi/{canonicalize_name(name)}@{metadata.version(name)}"


def models() -> list[dict[str, Any]]:
    """The demonstration models, with checksums of their files."""
    found = []
    for folder in sorted((REPOSITORY / "Resources" / "models").iterdir()):
        about = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
        files = [
            {
                "type": "file",
                "bom-ref": f"model:{folder.name}/{path.name}",
                "name": path.name,
                "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}],
            }
            for path in sorted(folder.iterdir())
        ]
        found.append(
            {
                "type": "machine-learning-model",
                "bom-ref": f"model:{folder.name}",
                "name": folder.name,
                "version": str(about["version"]),
                "description": about["intended_use"],
                "licenses": [{"license": {"name": about["licence"]}}],
                "components": files,
            }
        )
    return found


def bill(extras: frozenset[str]) -> dict[str, Any]:
    """The whole bill."""
    graph = closure([Requirement(f"{ROOT}[{','.join(sorted(extras))}]")])
    root = canonicalize_name(ROOT)
    others = sorted(name for name in graph if name != root)
    shipped = models()
    content: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(root)},
        "components": [*map(component, others), *shipped],
        "dependencies": [
            {"ref": reference(name), "dependsOn": sorted(reference(other) for other in graph[name])}
            for name in sorted(graph)
        ],
    }
    content["dependencies"][[each["ref"] for each in content["dependencies"]].index(reference(root))]["dependsOn"] += [
        each["bom-ref"] for each in shipped
    ]
    number = uuid.uuid5(NAMESPACE, json.dumps(content, sort_keys=True))
    return {**content, "serialNumber": f"urn:uuid:{number}"}


def main() -> int:
    """Write the bill; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=REPOSITORY / "dist" / "sbom.cdx.json", help="the file")
    parser.add_argument("--extras", nargs="*", default=EXTRAS, help=f"which extras to count ({' '.join(EXTRAS)})")
    args = parser.parse_args()
    content = bill(frozenset(args.extras))
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8", newline="\n")
    sys.stdout.write(f"{args.output}: {len(content['components'])} components\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
