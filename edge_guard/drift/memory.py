"""The monitors' state on the device's disk, so that a restart forgets nothing.

One ``.npz`` file, written whole and renamed: arrays by name, and ``meta``, JSON as bytes.
"""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np

from edge_guard.types import Array

_META = "meta"
MAX_BYTES = 16 << 20


def write_memory(path: Path, arrays: dict[str, Array], meta: bytes) -> None:
    """Write the state atomically.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    buffer = io.BytesIO()
    parts = {**arrays, _META: np.frombuffer(meta, np.uint8)}
    np.savez(buffer, **parts)  # type: ignore[arg-type]
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as file:
        file.write(buffer.getvalue())
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_memory(path: Path) -> tuple[dict[str, Array], bytes] | None:
    """Return the arrays and ``meta`` of a state; None where there is no file.

    Raises
    ------
    ValueError
        The file is damaged or is something else.
    OSError
        It cannot be read.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES} bytes")
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return arrays, arrays.pop(_META).tobytes()
    except FileNotFoundError:
        return None
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError) as error:
        raise ValueError(str(error)) from None
