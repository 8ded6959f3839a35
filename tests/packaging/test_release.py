"""tools/release: honest tags, and a bill of materials that names what is there."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import zipfile
from pathlib import Path

import pytest
from device_wheels import MACHINE, TAG, release

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "release"))

import check
import sbom
import wheels

ARM_CODE = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\xb7\x00"
"""The head of a shared library for aarch64 (ELF specification, figure 4-3)."""


def wheel_with(folder: Path, code: bytes, suffix: str) -> Path:
    path = folder / f"edge_guard-1.0-{wheels.TAG}-{wheels.TAG}-linux_aarch64.whl"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(f"edge_guard/_kernels{suffix}", code)
    return path


def test_the_extension_is_what_the_tag_says(tmp_path: Path) -> None:
    suffix = ".cpython-311-aarch64-linux-gnu.so"
    wheels.check(wheel_with(tmp_path, ARM_CODE + b"GLIBC_2.35", suffix), "aarch64")
    for code, name, said in (
        (ARM_CODE + b"GLIBC_2.38\0GLIBC_2.17", suffix, "needs glibc 2.38: build on Debian 12"),
        (ARM_CODE.replace(b"\xb7", b"\x3e"), suffix, "is not code for aarch64"),
        (ARM_CODE, ".cpython-311-x86_64-linux-gnu.so", "is not code for aarch64"),
    ):
        with pytest.raises(wheels.BuildError, match=said):
            wheels.check(wheel_with(tmp_path, code, name), "aarch64")


def test_a_better_tag_keeps_the_wheel_whole(tmp_path: Path) -> None:
    release(tmp_path, "1.0")
    plain = tmp_path / f"edge_guard-1.0-{TAG}-{TAG}-linux_{MACHINE}.whl"
    info = "edge_guard-1.0.dist-info"
    with zipfile.ZipFile(plain) as packed:
        before = {name: packed.read(name) for name in packed.namelist()}
    before[f"{info}/RECORD"] = f"{info}/WHEEL,sha256=old,1\n{info}/RECORD,,\n".encode()
    with zipfile.ZipFile(plain, "w") as packed:
        for name, content in before.items():
            packed.writestr(name, content)

    better = wheels.tagged(plain, f"manylinux_2_35_{MACHINE}")

    assert better.name == f"edge_guard-1.0-{TAG}-{TAG}-manylinux_2_35_{MACHINE}.whl"
    assert not plain.exists()
    with zipfile.ZipFile(better) as packed:
        after = {name: packed.read(name) for name in packed.namelist()}
    told = after.pop(f"{info}/WHEEL")
    assert f"Tag: {TAG}-{TAG}-manylinux_2_35_{MACHINE}\n".encode() in told
    digest = base64.urlsafe_b64encode(hashlib.sha256(told).digest()).decode().rstrip("=")
    record = f"{info}/WHEEL,sha256={digest},{len(told)}\n{info}/RECORD,,\n"
    assert after.pop(f"{info}/RECORD").decode() == record
    assert after == {name: before[name] for name in after}


def test_the_bill_names_every_wheel(tmp_path: Path) -> None:
    files = sorted(release(tmp_path, "1.0").glob("*.whl"))
    told = sbom.document(files, 0)
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.5")
    assert told["metadata"]["timestamp"] == "1970-01-01T00:00:00Z"
    parts = [told["metadata"]["component"], *told["components"]]
    assert [part["name"] for part in parts] == ["edge-guard", "msgspec"]
    assert parts[0]["licenses"] == [{"expression": "Apache-2.0"}]
    assert parts[1]["licenses"]
    sums = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    assert [part["hashes"][0]["content"] for part in parts] == sums
    assert told == sbom.document(files, 0)
    assert not sbom.invalid(json.dumps(told))
    assert "'bomFormat' is a required property" in sbom.invalid('{"specVersion": "1.5"}')


def test_a_changed_a_missing_and_an_extra_file_are_noticed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = tmp_path / "whole.txt"
    whole.write_text("as built")
    digest = hashlib.sha256(b"as built").hexdigest()
    sums = tmp_path / "SHA256SUMS"
    sums.write_text(f"{digest}  whole.txt\n")
    assert check.outcome("sums", tmp_path, long=False) == check.Outcome.PASSED
    whole.write_text("changed")
    sums.write_text(f"{digest}  whole.txt\n{digest}  missing.txt\n")
    (tmp_path / "extra.txt").touch()
    assert check.outcome("sums", tmp_path, long=False) == check.Outcome.FAILED
    said = capsys.readouterr().out
    assert "sums: all 1 files are as SHA256SUMS tells" in said
    assert "FAILED: not as SHA256SUMS tells: extra.txt, missing.txt, whole.txt" in said


def test_a_check_that_cannot_run_is_told_and_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "SHA256SUMS").touch()
    monkeypatch.setattr(sys, "argv", ["check.py", str(tmp_path), "--only", "sums", "--only", "arm"])
    assert check.main() == 3
    (tmp_path / "extra.txt").touch()
    assert check.main() == 1
    assert "arm: NOT CHECKED: the release has no folder for aarch64" in capsys.readouterr().out


def test_the_newest_release_is_by_version(tmp_path: Path) -> None:
    assert check.newest(tmp_path) is None
    for version in ("1.9.0", "1.10.0", "1.10.0rc1", "1.2.0.tar.gz"):
        (tmp_path / f"edge-guard-{version}").mkdir()
    assert check.newest(tmp_path) == tmp_path / "edge-guard-1.10.0"


def test_each_machine_has_its_bill(tmp_path: Path) -> None:
    files = sorted(release(tmp_path / "x86_64" / "wheels", "1.0").glob("*.whl"))
    bill = tmp_path / "edge-guard-x86_64.cdx.json"
    with pytest.raises(wheels.BuildError, match=r"folders for \['x86_64'\], but as SBOMs \[\]"):
        check.bill(tmp_path, tmp_path, False)
    bill.write_text(json.dumps(sbom.document(files, 0)))
    assert check.bill(tmp_path, tmp_path, False) == f"{bill.name}: valid, every wheel named"
    (tmp_path / "aarch64" / "wheels").mkdir(parents=True)
    with pytest.raises(wheels.BuildError, match="folders for"):
        check.bill(tmp_path, tmp_path, False)
    other = tmp_path / "edge-guard-aarch64.cdx.json"
    other.write_text(bill.read_text())
    with pytest.raises(wheels.BuildError, match="no wheels in aarch64/wheels"):
        check.bill(tmp_path, tmp_path, False)
