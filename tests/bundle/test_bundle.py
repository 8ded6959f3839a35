"""Bundles come back as they were written; every damaged or forged file is refused."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_guard.backends.spec import Runtime, TapPlan, TensorSpec
from edge_guard.bundle import Bundle, read_bundle, write_bundle
from edge_guard.card import Card
from edge_guard.errors import BundleError
from edge_guard.gate.spec import GateSpec, Limit, RepeatSpec
from edge_guard.manifest import GuardSpec, Manifest, Promise, Provenance, References


def small_bundle() -> Bundle:
    pixels = TensorSpec("input", "int8", 32, 32, 3, scale=1.0, zero_point=-128)
    output = TensorSpec("logits", "float32", 1, 1, 3)
    manifest = Manifest(
        format=1,
        name="part",
        model_kind="onnx",
        entries={},
        card=Card(),
        labels=("a", "b", "c"),
        plan=TapPlan(pixels, output, output, False, ()),
        runtime=Runtime("onnxruntime", "1", "default", "x86_64"),
        gate=GateSpec(
            None, (Limit("dead", "sd", (1.0, None), (1.0, None)),), RepeatSpec(3, 0.0, None)
        ),
        guards=GuardSpec((), ("gen", "energy", "msp"), 1.0, False, 0.0, 0.0),
        promise=Promise(0.01, 0.01, "marginal", 1.0, 0.01),
        certificate=None,
        references=References(100, 100.0, 1.0, 0, {}, None, (), ()),
        golden=(),
        provenance=Provenance("2026-01-01T00:00:00+00:00", "0", "m.onnx", "", 0),
    )
    arrays = {"x": np.arange(12.0, dtype=np.float32).reshape(3, 4)}
    return Bundle(manifest, b"model bytes", arrays, {"golden/0.png": b"png"})


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "part.guard"
    write_bundle(small_bundle(), path)
    return path


def test_what_was_written_comes_back(written: Path) -> None:
    bundle = read_bundle(written)
    assert bundle.model == b"model bytes"
    np.testing.assert_array_equal(bundle.arrays["x"], small_bundle().arrays["x"])
    assert bundle.manifest.labels == ("a", "b", "c")
    assert bundle.manifest.gate.limits[0].usual == (1.0, None)
    assert bundle.id.startswith("part@")
    assert not bundle.arrays["x"].flags.writeable


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "1.guard", tmp_path / "2.guard"
    assert write_bundle(small_bundle(), first) == write_bundle(small_bundle(), second)
    assert first.read_bytes() == second.read_bytes()


def test_entries_are_stored_and_aligned(written: Path) -> None:
    with zipfile.ZipFile(written) as archive:
        assert archive.testzip() is None
        for info in archive.infolist():
            with written.open("rb") as file:
                file.seek(info.header_offset + 26)
                name, extra = np.frombuffer(file.read(4), "<u2")
            assert (info.header_offset + 30 + name + extra) % 64 == 0
            assert info.compress_type == zipfile.ZIP_STORED


def test_every_flipped_bit_is_refused(written: Path) -> None:
    original = written.read_bytes()
    rng = np.random.default_rng(0)
    for place in {*range(0, len(original), 7), *range(len(original) - 80, len(original))}:
        data = bytearray(original)
        data[place] ^= 1 << int(rng.integers(8))
        written.write_bytes(data)
        with pytest.raises(BundleError):
            read_bundle(written)


@settings(max_examples=60, deadline=None)
@given(cut=st.floats(0.0, 0.999))
def test_every_truncation_is_refused(tmp_path_factory: pytest.TempPathFactory, cut: float) -> None:
    path = tmp_path_factory.mktemp("cut") / "part.guard"
    write_bundle(small_bundle(), path)
    data = path.read_bytes()
    path.write_bytes(data[: int(cut * len(data))])
    with pytest.raises(BundleError, match=r"part\.guard"):
        read_bundle(path)


def _sealed(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip with a valid seal, as an attacker could write it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.comment = b"sha256:" + b"0" * 64
        for name, data in entries.items():
            archive.writestr(name, data)
    body = buffer.getvalue()[:-64]
    return body + hashlib.sha256(body).hexdigest().encode()


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"../evil": b"x"}, "not allowed"),
        ({"/etc/passwd": b"x"}, "not allowed"),
        ({"a/b/c": b"x"}, "not allowed"),
        ({"a\\b": b"x"}, "not allowed"),
        ({"other": b"x"}, "manifest.json is not valid"),
        ({"manifest.json": b'{"format": 99}'}, "newer than this edge-guard"),
        ({"manifest.json": b'{"format": 1}'}, "manifest.json is not valid"),
        ({"manifest.json": b"\xff\xfe"}, "manifest.json is not valid"),
    ],
)
def test_forgeries_are_refused(tmp_path: Path, entries: dict[str, bytes], words: str) -> None:
    path = tmp_path / "forged.guard"
    path.write_bytes(_sealed(entries))
    with pytest.raises(BundleError, match=words):
        read_bundle(path)


def test_compressed_bombs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.guard"
    path.write_bytes(_sealed({"manifest.json": b"0" * 10_000_000}, zipfile.ZIP_DEFLATED))
    with pytest.raises(BundleError, match="compressed or oversized"):
        read_bundle(path)


def test_entries_that_overlap_are_refused(tmp_path: Path) -> None:
    """The directory lists the same bytes under many names; refused before they are copied."""
    path = tmp_path / "overlap.guard"
    data = bytearray(_sealed(dict.fromkeys("abc", b"0" * 2000)))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        directory = archive.start_dir
    for i in range(3):
        size = directory + 47 * i + 20
        data[size : size + 8] = (4000).to_bytes(4, "little") * 2  # each reaches into the next
    data[-64:] = hashlib.sha256(data[:-64]).hexdigest().encode()
    path.write_bytes(data)
    with pytest.raises(BundleError, match="entries are compressed or oversized"):
        read_bundle(path)


def _npy(header: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


def test_compressed_entries_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "compressed.guard"
    path.write_bytes(_sealed({"manifest.json": b"0123"}, zipfile.ZIP_DEFLATED))
    with pytest.raises(BundleError, match=r"entry 'manifest\.json' is compressed"):
        read_bundle(path)


@pytest.mark.parametrize(
    "entry",
    [
        b"PK\x03\x04",  # taken for an archive of arrays
        b"PK\x05\x06" + bytes(18),  # an empty one
        b"",
        _npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n"),
        _npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d,), }\n" % 2**62),
        _npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': ("),
        _npy(b"{'descr"),
        _npy(b"(" * 5000),
        _npy(b"\xff\x00"),
    ],
)
def test_hostile_arrays_are_refused(tmp_path: Path, entry: bytes) -> None:
    path = _with_array(tmp_path, entry)
    with pytest.raises(BundleError, match="array cannot be read"):
        read_bundle(path)


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([object()], dtype=object), allow_pickle=True)
    path = _with_array(tmp_path, buffer.getvalue())
    with pytest.raises(BundleError, match="array cannot be read"):
        read_bundle(path)


def _with_array(folder: Path, entry: bytes) -> Path:
    """Return a bundle that vouches for an array entry as an attacker wrote it."""
    bundle = small_bundle()
    entries = {"model.onnx": bundle.model, "arrays/x.npy": entry}
    digests = {name: hashlib.sha256(value).hexdigest() for name, value in entries.items()}
    manifest = msgspec.structs.replace(bundle.manifest, entries=digests)
    path = folder / "array.guard"
    path.write_bytes(_sealed({"manifest.json": msgspec.json.encode(manifest), **entries}))
    return path


def test_an_array_of_another_version_is_named(written: Path) -> None:
    """Sealed and whole, but made before the array was invented."""
    arrays = read_bundle(written).arrays
    assert arrays.get("fusion.unheard") is None
    with pytest.raises(BundleError, match=r"lacks the array fusion\.unheard") as caught:
        arrays["fusion.unheard"]
    assert str(written) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"nothing\.guard"):
        read_bundle(tmp_path / "nothing.guard")


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot write"):
        write_bundle(small_bundle(), tmp_path / "absent" / "part.guard")
