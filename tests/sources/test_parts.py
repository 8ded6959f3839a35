"""Part ids read off pictures' names."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_guard.config import find_problems
from edge_guard.errors import ConfigError
from edge_guard.sources import Damaged, View, open_source
from edge_guard.sources.parts import part_reader


@pytest.mark.parametrize(
    ("pattern", "name", "part"),
    [
        ("{part}_*", "BR-17_0003.png", "BR-17"),
        ("{part}_*", "BR-17.png", ""),
        ("*_{part}", "cam_2_FL.3.png", "FL.3"),
        ("{part}", "x.y.png", "x.y"),
        ("cam(1)-{part}-*", "cam(1)-A-7.png", "A"),
        ("cam(1)-{part}-*", "cam1-A-7.png", ""),
        ("{part}*", "ABC.png", "A"),
        ("*+{part}", "3+.png", ""),
    ],
)
def test_a_name_tells_its_part(pattern: str, name: str, part: str) -> None:
    assert part_reader(pattern)(f"folder_a/{name}") == part


def test_frames_and_damaged_pictures_carry_it_through_a_view(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "A_1.png"), np.zeros((40, 60), np.uint8))
    (tmp_path / "B_2.png").write_bytes(b"no picture")
    cv2.imwrite(str(tmp_path / "C_3.png"), np.zeros((20, 20), np.uint8))  # the region does not fit
    view = View((0, 0, 32, 32))
    source = open_source(str(tmp_path), stream="s", part_name="{part}_*", view=view)
    read = [source.read(5.0) for _ in range(3)]
    source.close()
    assert [item and item.part_id for item in read] == ["A", "B", "C"]
    assert [isinstance(item, Damaged) for item in read] == [False, True, True]


def test_only_folders_and_clear_patterns_are_taken(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 60), np.uint8))
    with pytest.raises(ConfigError, match="part_name does not fit"):
        open_source(str(tmp_path / "a.png"), stream="s", part_name="{part}")
    (tmp_path / "x.guard").touch()
    for pattern, wrong in (("{part}_*", 0), ("part_*", 1), ("{part}{part}", 1), ("{part}_{n}", 1)):
        path = tmp_path / "device.toml"
        text = '[device]\nid = "d"\n[[stream]]\nname = "s"\nsource = "."\nbundle = "x.guard"\n'
        path.write_text(f'{text}part_name = "{pattern}"\n')
        assert [p.key for p in find_problems(path)] == ["stream.0.part_name"] * wrong


def test_what_no_message_can_carry_is_no_part_id() -> None:
    read = part_reader("{part}")
    assert read(f"in/{'x' * 128}.png") == "x" * 128
    for name in ("x" * 129, "a\nb", "a\x1bb", "\udcff"):
        assert read(f"in/{name}.png") == ""
