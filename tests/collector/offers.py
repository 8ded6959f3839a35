"""Bundles to roll out, made of the demo's; a good one, one that flags a lot, one that is blind.

made = variant(tmp_path, "retuned")
bundles = stored(tmp_path / "bundles", made)
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge_guard.bundle import Bundle, read_bundle, write_bundle
from edge_guard.collector.bundles import BundleStore

DEMO = Path(__file__).parents[2] / "models" / "demo_line.guard"


class Made(NamedTuple):
    """A bundle file."""

    path: Path
    bundle: str
    sha256: str


def variant(folder: Path, name: str, model: str | None = None) -> Made:
    """Write the demo's bundle under another name, as if for another model where one is named."""
    bundle = read_bundle(DEMO)
    provenance = bundle.manifest.provenance
    if model is not None:
        provenance = msgspec.structs.replace(provenance, model_sha256=model * 64)
    return _written(bundle, folder / f"{name}.guard", name=name, provenance=provenance)


def strict(folder: Path, name: str = "strict") -> Made:
    """Write one that is sound and flags most frames of the demo's line."""
    bundle = read_bundle(DEMO)
    promise = msgspec.structs.replace(bundle.manifest.promise, score_limit=-1e9, p_limit=0.9)
    return _written(bundle, folder / f"{name}.guard", name=name, promise=promise)


def blind(folder: Path, name: str = "blind") -> Made:
    """Write one that scores as its golden frames say and accepts everything: it fails its test."""
    bundle = read_bundle(DEMO)
    promise = msgspec.structs.replace(bundle.manifest.promise, score_limit=1e9, p_limit=0.0)
    gate = msgspec.structs.replace(bundle.manifest.gate, limits=())
    return _written(bundle, folder / f"{name}.guard", name=name, promise=promise, gate=gate)


def made_of(path: Path) -> Made:
    """Return what an existing bundle file is."""
    return Made(path, read_bundle(path).id, hashlib.sha256(path.read_bytes()).hexdigest())


def stored(folder: Path, *made: Made) -> BundleStore:
    """Return a store that holds them."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in made:
        shutil.copyfile(one.path, folder / f"{one.sha256}.guard")
    return BundleStore(folder)


def _written(bundle: Bundle, path: Path, **changes: object) -> Made:
    manifest = msgspec.structs.replace(bundle.manifest, **changes)
    write_bundle(replace(bundle, manifest=manifest), path)
    return made_of(path)
