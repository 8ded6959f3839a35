"""Power cuts: what a process wrote, and what a disk may hold if the power goes in the middle of it.

A disk keeps what was synced. Of the rest it keeps nothing, everything, or a part: all three are
tried. Names are kept when their folder was synced after they were made.
"""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

_HEAD = struct.Struct("<cIIIq")
Mercy = Literal["nothing", "everything", "a part"]
"""What of the unsynced writes survives."""


class Write(NamedTuple):
    """``op``: W(rite), T(runcate), S(ync), R(ename), U(nlink), or M(ark, of the process)."""

    op: str
    path: Path
    target: Path
    data: bytes
    offset: int


def build(folder: Path) -> Path | None:
    """Return the shim; None where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    shim = folder / "writes.so"
    source = Path(__file__).with_name("writes.c")
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(shim), str(source), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return shim


def read(log: Path) -> list[Write]:
    """Return the writes in order."""
    content, at, writes = log.read_bytes(), 0, []
    while at < len(content):
        op, one, two, n, offset = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        path, target, data = content[at : at + one], content[at + one : at + one + two], b""
        data = content[at + one + two : at + one + two + n]
        at += one + two + n
        writes.append(Write(op.decode(), Path(path.decode()), Path(target.decode()), data, offset))
    return writes


class Disk:
    """What is on the disk, and what only the kernel has."""

    def __init__(self) -> None:
        self.cache: dict[Path, bytearray] = {}
        self.durable: dict[Path, bytes] = {}
        self.dirty: dict[Path, list[Write]] = {}

    def apply(self, write: Write) -> None:
        if write.op == "W":
            _put(self.cache.setdefault(write.path, bytearray()), write)
            self.dirty.setdefault(write.path, []).append(write)
        elif write.op == "T":
            _cut(self.cache.setdefault(write.path, bytearray()), write.offset)
            self.dirty.setdefault(write.path, []).append(write)
        elif write.op == "S":
            self._sync(write.path)
        elif write.op == "R":
            self.cache[write.target] = self.cache.pop(write.path, bytearray())
            self.dirty[write.target] = self.dirty.pop(write.path, [])
            self.durable.pop(write.target, None)
            if write.path in self.durable:  # a journal keeps a rename whole
                self.durable[write.target] = self.durable.pop(write.path)
        elif write.op == "U":
            for state in (self.cache, self.durable, self.dirty):
                state.pop(write.path, None)  # type: ignore[attr-defined]

    def _sync(self, path: Path) -> None:
        if path in self.cache:
            self.durable[path] = bytes(self.cache[path])
            self.dirty.pop(path, None)

    def after_a_cut(self, mercy: Mercy, chance: random.Random) -> dict[Path, bytes]:
        """Return the files that a disk has when the power comes back."""
        if mercy == "everything":
            return {path: bytes(content) for path, content in self.cache.items()}
        files = dict(self.durable)
        if mercy == "a part":
            for path, writes in self.dirty.items():
                content = bytearray(files.get(path, b""))
                for write in writes:
                    if chance.random() < 0.5:
                        _put(content, write) if write.op == "W" else _cut(content, write.offset)
                if content:
                    files[path] = bytes(content)
        return files


def _put(content: bytearray, write: Write) -> None:
    end = write.offset + len(write.data)
    content.extend(bytes(max(0, end - len(content))))
    content[write.offset : end] = write.data


def _cut(content: bytearray, size: int) -> None:
    content.extend(bytes(max(0, size - len(content))))
    del content[size:]


def lay_out(files: dict[Path, bytes], origin: Path, folder: Path) -> None:
    """Write the files that lay below ``origin`` into ``folder`` instead."""
    if folder.exists():
        shutil.rmtree(folder)
    for path, content in files.items():
        place = folder / path.relative_to(origin)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    folder.mkdir(parents=True, exist_ok=True)


def spread(n: int, most: int) -> Iterable[int]:
    """Return at most ``most`` of 0..n, evenly."""
    return (
        sorted({round(position * n / most) for position in range(most + 1)})
        if n > most
        else (range(n + 1))
    )
