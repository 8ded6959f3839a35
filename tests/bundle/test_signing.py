"""Signatures: who is trusted is believed, and every forgery is refused."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_bundle import small_bundle

from edge_guard.bundle import Bundle, Signature, read_bundle, write_bundle, write_signed
from edge_guard.cli.main import main
from edge_guard.config import load_device_config
from edge_guard.daemon import Daemon
from edge_guard.errors import BundleError, ConfigError
from edge_guard.sealed_zip import seal, unseal
from edge_guard.signing import (
    check_signature,
    fingerprint,
    generate_keys,
    read_trusted,
    sign_bundle,
)

MODELS = Path(__file__).resolve().parents[2] / "models"
ENTRY = "signature.json"


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pairs of keys, a bundle, and the same signed by the first."""
    folder = tmp_path_factory.mktemp("plant")
    for name in ("ours", "theirs"):
        generate_keys(folder / f"{name}.key", folder / f"{name}.pub")
    write_bundle(small_bundle(), folder / "plain.guard")
    sign_bundle(folder / "plain.guard", folder / "signed.guard", folder / "ours.key")
    return folder


def trusted(plant: Path, path: Path | None = None, *names: str) -> Bundle:
    keys = [str(plant / f"{name}.pub") for name in names or ("ours",)]
    return read_trusted(path or plant / "signed.guard", keys)


def resealed(plant: Path, tmp_path: Path, **changed: bytes) -> Path:
    """The signed bundle as somebody who knows the format would forge it."""
    entries = unseal((plant / "signed.guard").read_bytes())
    for name, data in changed.items():
        entries[name] = data
    path = tmp_path / "forged.guard"
    path.write_bytes(seal(entries))
    return path


def test_a_signed_bundle_is_the_same_but_for_its_signature(plant):
    plain, signed = (unseal((plant / f"{n}.guard").read_bytes()) for n in ("plain", "signed"))
    assert list(signed)[:2] == ["manifest.json", ENTRY]
    del signed[ENTRY]
    assert signed == plain
    bundle = trusted(plant)
    assert bundle.id != read_bundle(plant / "plain.guard").id
    assert bundle.signature is not None
    assert check_signature(bundle, [plant / "ours.pub"]) == fingerprint(bundle.signature.key)
    np.testing.assert_array_equal(bundle.arrays["x"], small_bundle().arrays["x"])


def test_without_trusted_keys_signed_and_unsigned_are_read(plant):
    assert read_trusted(plant / "plain.guard", ()).signature is None
    assert read_trusted(plant / "signed.guard", ()).signature is not None


def test_one_of_several_keys_is_enough(plant):
    assert trusted(plant, None, "theirs", "ours").signature is not None


def test_unsigned_and_foreign_bundles_are_refused(plant, tmp_path):
    with pytest.raises(BundleError, match="is not signed"):
        trusted(plant, plant / "plain.guard")
    sign_bundle(plant / "plain.guard", tmp_path / "t.guard", plant / "theirs.key")
    with pytest.raises(BundleError, match=r"signed by key [0-9a-f]{16}, trusted is only"):
        trusted(plant, tmp_path / "t.guard")


def test_signing_again_replaces_the_signature(plant, tmp_path):
    sign_bundle(plant / "signed.guard", tmp_path / "again.guard", plant / "theirs.key")
    assert trusted(plant, tmp_path / "again.guard", "theirs")
    with pytest.raises(BundleError, match="signed by key"):
        trusted(plant, tmp_path / "again.guard")


def test_a_changed_manifest_is_refused(plant, tmp_path):
    manifest = unseal((plant / "signed.guard").read_bytes())["manifest.json"]
    loose = manifest.replace(b'"score_limit": 1.0', b'"score_limit": 9.0')
    assert loose != manifest
    forged = resealed(plant, tmp_path, **{"manifest.json": loose})
    assert read_bundle(forged).manifest.promise.score_limit == 9.0, "intact, but not ours"
    with pytest.raises(BundleError, match="not of this manifest"):
        trusted(plant, forged)


def test_a_changed_entry_is_refused_with_and_without_its_digest(plant, tmp_path):
    forged = resealed(plant, tmp_path, **{"model.onnx": b"another model"})
    with pytest.raises(BundleError, match="does not match its digest"):
        trusted(plant, forged)
    bundle = small_bundle()
    other = Bundle(bundle.manifest, b"another model", bundle.arrays, bundle.pictures)
    write_bundle(other, tmp_path / "new.guard")
    entries = unseal((tmp_path / "new.guard").read_bytes())
    entries[ENTRY] = unseal((plant / "signed.guard").read_bytes())[ENTRY]
    (tmp_path / "new.guard").write_bytes(seal(entries))
    with pytest.raises(BundleError, match="not of this manifest"):
        trusted(plant, tmp_path / "new.guard")


def test_a_signature_by_a_stranger_under_our_name_is_refused(plant, tmp_path):
    ours = trusted(plant).signature
    sign_bundle(plant / "plain.guard", tmp_path / "t.guard", plant / "theirs.key")
    theirs = read_bundle(tmp_path / "t.guard").signature
    assert ours and theirs
    mixed = msgspec.json.encode(Signature(ours.key, theirs.value))
    with pytest.raises(BundleError, match="not of this manifest"):
        trusted(plant, resealed(plant, tmp_path, **{ENTRY: mixed}))


def test_a_signature_over_the_bare_manifest_is_none(plant, tmp_path):
    """Whoever gets our key to sign something else has not signed a bundle."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key((plant / "ours.key").read_bytes(), None)

    def sign(manifest: bytes) -> Signature:
        return Signature(key.public_key().public_bytes_raw().hex(), key.sign(manifest).hex())

    write_signed(plant / "plain.guard", tmp_path / "bare.guard", sign)
    with pytest.raises(BundleError, match="not of this manifest"):
        trusted(plant, tmp_path / "bare.guard")


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_every_bit_of_signature_and_manifest_counts(plant, tmp_path_factory, data):
    entries = unseal((plant / "signed.guard").read_bytes())
    name = data.draw(st.sampled_from(["manifest.json", ENTRY]))
    position = data.draw(st.integers(0, len(entries[name]) * 8 - 1))
    spoilt = bytearray(entries[name])
    spoilt[position // 8] ^= 1 << position % 8
    path = tmp_path_factory.getbasetemp() / "flipped.guard"
    path.write_bytes(seal(entries | {name: bytes(spoilt)}))
    with pytest.raises(BundleError):
        trusted(plant, path)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"null", b"\xff", b'{"key": "00", "value": "00"}', b"[" * 10_000]
)
def test_a_signature_that_is_none_is_refused_by_every_reader(plant, tmp_path, content):
    forged = resealed(plant, tmp_path, **{ENTRY: content})
    with pytest.raises(BundleError, match=r"signature\.json is not valid"):
        read_bundle(forged)


def test_keys_are_closed_to_others_and_never_overwritten(plant, tmp_path):
    mode = (plant / "ours.key").stat().st_mode
    assert stat.S_IMODE(mode) & 0o077 == 0
    with pytest.raises(ConfigError, match="never overwritten"):
        generate_keys(plant / "ours.key", tmp_path / "new.pub")
    assert not (tmp_path / "new.pub").exists()


def test_what_is_no_key_is_refused(plant, tmp_path):
    (tmp_path / "none").write_text("nonsense")
    for key in (tmp_path / "none", tmp_path / "absent", plant / "ours.pub"):
        with pytest.raises(ConfigError):
            sign_bundle(plant / "plain.guard", tmp_path / "o.guard", key)
    for key in (tmp_path / "none", tmp_path / "absent", plant / "ours.key"):
        with pytest.raises(ConfigError):
            check_signature(trusted(plant), [key])


def test_the_commands(tmp_path, capsys):
    demo, key = MODELS / "demo_line.guard", tmp_path / "line"
    signed = tmp_path / "s.guard"
    assert main(["bundle", "keygen", str(key), "--json"]) == 0
    name = json.loads(capsys.readouterr().out)["key"]
    secret, public = f"{key}.key", f"{key}.pub"
    assert main(["bundle", "verify", str(demo), "--key", public]) == 3
    assert main(["bundle", "sign", str(demo), "--key", secret, "-o", str(signed)]) == 0
    capsys.readouterr()
    assert main(["bundle", "verify", str(signed), "--key", public, "--json"]) == 0
    verified = json.loads(capsys.readouterr().out)
    assert (verified["key"], verified["golden"]) == (name, 3)
    assert main(["bundle", "show", str(signed)]) == 0
    assert name in capsys.readouterr().out
    assert main(["bundle", "diff", str(demo), str(signed)]) == 0
    assert f"by nobody, is by key {name}" in capsys.readouterr().out


def test_a_device_takes_signed_bundles_only(plant, tmp_path):
    generate_keys(tmp_path / "line.key", tmp_path / "line.pub")
    config = tmp_path / "device.toml"
    config.write_text(
        '[device]\nid = "d"\ntrusted_keys = ["line.pub"]\n[[stream]]\nname = "s"\n'
        f'source = "{MODELS / "footage.avi"}"\nbundle = "b.guard"\n'
    )
    bundle = tmp_path / "b.guard"
    bundle.write_bytes((MODELS / "demo_line.guard").read_bytes())
    with pytest.raises(BundleError, match="is not signed"):
        Daemon(load_device_config(config))
    sign_bundle(bundle, bundle, plant / "theirs.key")
    with pytest.raises(BundleError, match="signed by key"):
        Daemon(load_device_config(config))
    sign_bundle(bundle, bundle, tmp_path / "line.key")
    daemon = Daemon(load_device_config(config))
    try:
        with pytest.raises(BundleError, match="is not signed"):
            daemon.reload_bundle("s", MODELS / "demo_line.guard")
    finally:
        daemon.close()
    assert main(["config", "check", str(config)]) == 0
    for keys in ("[]", '["absent.pub"]'):
        config.write_text(config.read_text().split("trusted")[0] + f"trusted_keys = {keys}\n")
        assert main(["config", "check", str(config)]) == 2
