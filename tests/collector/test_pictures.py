"""Pictures as files: found by their digest only, whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from reports import picture

from edge_guard.collector.pictures import PictureStore


def test_pictures_are_found_by_their_digest_only(tmp_path: Path) -> None:
    pictures = PictureStore(tmp_path)
    digest = pictures.put(picture(1))
    assert pictures.put(picture(1)) == digest
    assert pictures.get(digest) == picture(1)
    assert pictures.path(digest) == tmp_path / digest[:2] / digest
    assert pictures.get("0" * 64) is None
    for wrong in ("../../etc/passwd", digest.upper(), digest[:-1], f"{digest}\n", ""):
        with pytest.raises(ValueError, match="sha-256"):
            pictures.get(wrong)


def test_pictures_in_two_levels_of_folders_are_found_still(tmp_path: Path) -> None:
    """As stores of earlier versions have them."""
    pictures = PictureStore(tmp_path / "frames")
    digest = pictures.put(picture(1))
    old = tmp_path / "frames" / digest[:2] / digest[2:4] / digest
    old.parent.mkdir()
    pictures.path(digest).rename(old)
    new = pictures.put(picture(2))
    assert pictures.get(digest) == picture(1)
    assert pictures.has(digest)
    assert pictures.save(digest, tmp_path / "saved.jpg")
    assert set(pictures.digests(float("inf"))) == {digest, new}
    pictures.remove([digest])
    assert pictures.get(digest) is None
    assert not old.exists()


def test_a_picture_is_there_whole_or_not_at_all_after_kill(tmp_path: Path) -> None:
    script = (
        "import sys, os\n"
        "from edge_guard.collector.pictures import PictureStore\n"
        "store = PictureStore(sys.argv[1])\n"
        "print('go', flush=True)\n"
        "while True: store.put(os.urandom(3_000_000))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    while not any(tmp_path.glob("??/*")):
        assert process.poll() is None
    process.kill()
    process.wait(timeout=10)
    process.stdout.close()
    for path in tmp_path.glob("??/*"):
        if not path.name.startswith("."):
            assert PictureStore(tmp_path).put(path.read_bytes()) == path.name
