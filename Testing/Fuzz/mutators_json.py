"""Damage to JSON files: to the tree of values, and to the text of one."""

from __future__ import annotations

import copy
import json
import random
import re
from typing import Any

INF, NAN = float("inf"), float("nan")
NASTY: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2,
    0.5,
    1e308,
    -1e308,
    1e-320,
    INF,
    -INF,
    NAN,
    2**31,
    2**63,
    10**30,
    -(2**64),
]
NASTY += ["", " ", "0", "nan", "1e5", "x", "LPS", "RAS", "mm", "m", "cm", "deg", "rad", "A" * 3000, "\ud800", "\u0000"]
NASTY += [
    "\u202e\u0007\u001b[31m",
    "line\nbreak",
    "ü",
    "/etc/passwd",
    "../../../etc/passwd",
    "C:\\x",
    "con",
    "a/b",
    ".",
    "..",
]
NASTY += [[], {}, [[]], [None], {"": None}, [NAN, NAN, NAN], [0, 0, 0], [1, 2], "@deep", "@number", "@long"]
FACTORS = [-1, 0, 10, 0.1, 1000, 0.001, 1e12, 57.29577951308232, 1 + 1e-9]
"""Wrong units (mm, cm, m; degrees) and signs."""
TRICKS = {b'"@deep"': b"[" * 20_000 + b"]" * 20_000, b'"@number"': b"1" * 6000, b'"@long"': b"1e999999999"}


def json_tree(content: bytes, rng: random.Random) -> bytes:
    """One value or key of the tree is changed, removed, added, doubled, moved or rescaled."""
    try:
        tree = [json.loads(content)]
        places = list(_places(tree, 60_000))
    except (ValueError, RecursionError):
        return json_text(content, rng)
    holder, key = rng.choice(places) if rng.random() < 0.85 else rng.choice(places[:30])
    _change(holder, key, [place[0][place[1]] for place in rng.sample(places, min(3, len(places)))], rng)
    if not tree:
        return b""
    text = json.dumps(tree[0], ensure_ascii=rng.random() < 0.8, indent=rng.choice((None, 2)))
    data = text.encode(errors="surrogatepass")
    for mark, trick in TRICKS.items():
        data = data.replace(mark, trick)
    return data


def _places(node: Any, most: int) -> Any:
    """(holder, key) of every value, breadth first, so that the important keys come early."""
    waiting = [node]
    for holder in waiting:
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            yield holder, key
            most -= 1
            if most <= 0:
                return
            if isinstance(holder[key], (dict, list)):
                waiting.append(holder[key])


def _change(holder: Any, key: Any, others: list[Any], rng: random.Random) -> None:
    value, choice = holder[key], rng.random()
    if choice < 0.4:
        holder[key] = copy.deepcopy(rng.choice(NASTY))
    elif choice < 0.52:
        del holder[key]
    elif choice < 0.6 and isinstance(holder, dict):
        holder[rng.choice((str(key).upper(), str(key) + " ", "", "extra", "__class__"))] = holder.pop(key)
    elif choice < 0.7 and isinstance(value, list):
        value[:] = rng.choice((value + value, value[:-1], value[::-1], [value[:]], value + [None], value[:1] * 1000))
    elif choice < 0.78:
        holder[key] = copy.deepcopy(rng.choice(others))
    elif choice < 0.85:
        holder[key] = rng.choice((str(value), [value], {"value": value}))
    elif isinstance(value, (int, float)):
        holder[key] = value * rng.choice(FACTORS)
    elif isinstance(value, list) and value and all(isinstance(each, (int, float)) for each in value):
        factor = rng.choice(FACTORS)
        holder[key] = [each * factor for each in value]
    elif isinstance(value, str):
        holder[key] = rng.choice(
            (value.upper(), value + " ", value[:-1], value + "2", value * 400, value + "\n", "../" + value)
        )
    elif isinstance(holder, list):
        holder.append(copy.deepcopy(value))
    else:
        holder["extra"] = copy.deepcopy(rng.choice(NASTY))


def json_text(content: bytes, rng: random.Random) -> bytes:
    """What no tree has: doubled keys, missing commas and braces, comments, single quotes, other encodings."""
    keys = list(re.finditer(rb'"[^"\n]{1,60}"\s*:', content))
    choice = rng.randrange(9)
    if choice <= 2 and keys:
        each = rng.choice(keys)
        return (
            content[: each.start()]
            + each.group()
            + rng.choice((b" null, ", b" 1, ", b' "x", ', b" {}, "))
            + content[each.start() :]
        )
    if choice == 3:
        return content.replace(b'"', b"'")
    if choice == 4:
        marks = [each.start() for each in re.finditer(rb"[][{},:]", content)]
        at = rng.choice(marks) if marks else 0
        return content[:at] + rng.choice((b"", b"]", b"}", b",", b",,", b"NaN", b"//\n")) + content[at + 1 :]
    if choice == 5:
        return content.decode(errors="replace").encode(rng.choice(("utf-16", "utf-32", "utf-8-sig", "utf-7")))
    if choice == 6:
        return content + rng.choice((b"}", b"{}", b"\0", content))
    if choice == 7:
        return content[: rng.randrange(len(content) + 1)]
    return content.replace(rng.choice((b".", b"1", b"e", b"true", b"{")), rng.choice((b",", b"", b"1e400", b"-")))
