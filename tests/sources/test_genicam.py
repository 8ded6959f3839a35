"""GenICam cameras: pictures of each pixel format, loss and silence, which one, what is missing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from math import isnan
from pathlib import Path

import numpy as np
import pytest
from footage import number_of, picture
from pretend_genicam import Camera, Component, GenericException, bgr8, plant, producer

from edge_guard.config import TriggerTable
from edge_guard.errors import SourceError
from edge_guard.sources import SourceState, genicam, open_source
from edge_guard.sources.contract import NoFrameError
from edge_guard.sources.genicam import open_genicam, picture_of
from edge_guard.types import Frame

WAIT_S = 30.0
RED, GREEN, BLUE = 200, 100, 50


def mosaic(pattern: str, scale: int = 1) -> np.ndarray:
    """A picture of one colour as a sensor under a colour filter sees it, (6, 8)."""
    value = {"R": RED, "G": GREEN, "B": BLUE}
    tile = np.array([value[letter] * scale for letter in pattern]).reshape(2, 2)
    return np.tile(tile, (3, 4)).astype(np.uint8 if scale == 1 else np.uint16)


def component(values: np.ndarray, form: str, padding: int = 0) -> Component:
    height, width = values.shape[:2]
    rows = values.reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=255)
    return Component(rows.reshape(-1), width, height, form)


@pytest.mark.parametrize(
    ("form", "pattern"),
    [("BayerRG", "RGGB"), ("BayerGR", "GRBG"), ("BayerGB", "GBRG"), ("BayerBG", "BGGR")],
)
@pytest.mark.parametrize(("depth", "scale"), [("8", 1), ("10", 4), ("12p", 16), ("12Packed", 16)])
def test_bayer_patterns_become_bgr(form: str, pattern: str, depth: str, scale: int) -> None:
    image = picture_of(component(mosaic(pattern, scale), form + depth), "c")
    assert (image.dtype, image.shape) == (np.uint8, (6, 8, 3))
    assert np.array_equal(image[1:-1, 1:-1], np.broadcast_to([BLUE, GREEN, RED], (4, 6, 3)))


@pytest.mark.parametrize("padding", [0, 4])
@pytest.mark.parametrize(
    ("form", "shift"), [("Mono8", 0), ("Mono10", 2), ("Mono10p", 2), ("Mono12", 4), ("Mono16", 8)]
)
def test_gray_is_cut_to_8_bit_without_the_padding_of_lines(
    form: str, shift: int, padding: int
) -> None:
    sent = np.random.default_rng(3).integers(0, 256 << shift, (6, 10))
    sent = sent.astype(np.uint16 if shift else np.uint8)
    image = picture_of(component(sent, form, padding), "c")
    assert (image.dtype, image.shape) == (np.uint8, (6, 10))
    assert np.array_equal(image, sent >> shift)
    image[:] = 0
    assert sent.any()  # a copy: the buffer goes back to the camera


@pytest.mark.parametrize(
    ("form", "order"), [("RGB8", "RGB"), ("BGR8", "BGR"), ("RGBa8", "RGBa"), ("BGRa8", "BGRa")]
)
def test_colours_become_bgr(form: str, order: str) -> None:
    sent = np.random.default_rng(4).integers(0, 256, (6, 10, len(order)), np.uint8)
    image = picture_of(component(sent, form, padding=2), "c")
    assert image.flags.c_contiguous
    for place, letter in enumerate("BGR"):
        assert np.array_equal(image[:, :, place], sent[:, :, order.index(letter)])


@pytest.mark.parametrize("form", ["YUV422_8", "Coord3D_C16", "RGB10p32", "Confidence8", ""])
def test_other_pixel_formats_are_refused_with_those_that_go(form: str) -> None:
    with pytest.raises(SourceError, match=r"set its PixelFormat to Mono8, BayerRG8") as refusal:
        picture_of(component(np.zeros((6, 8), np.uint8), form), "GenICam camera 7")
    assert "GenICam camera 7" in str(refusal.value)


@pytest.mark.parametrize(("size", "width", "height"), [(47, 8, 6), (0, 8, 6), (10, 0, 0)])
def test_a_frame_of_another_size_than_it_says_is_refused(
    size: int, width: int, height: int
) -> None:
    with pytest.raises(SourceError, match="a frame has"):
        picture_of(Component(np.zeros(size, np.uint8), width, height, "Mono8"), "c")


def test_a_camera_gives_frames_and_gives_its_buffers_back(tmp_path: Path) -> None:
    settings = {"Width": 64, "ExposureTimeAbs": 900.0, "Gain": GenericException("not readable")}
    one = Camera("SN1", settings=settings)
    with plant(one, Camera("SN2")):
        camera = open_genicam(f"genicam:{producer(tmp_path)}#SN1")
        one.sends.put(bgr8(picture(7)))
        image = camera.read()
        assert image is not None and number_of(image) == 7
        assert one.lent == 0
        told = camera.exposure()
        assert told is not None and told[0] == 900.0 and isnan(told[1])
        one.sends.put(None)
        one.sends.put("a buffer without a picture")
        assert camera.read() is None and camera.read() is None
        camera.close()
    assert not one.running


def test_silence_is_told_from_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(genicam, "TIMEOUT_S", 0.02)
    one = Camera("SN1", settings={"Width": 64, "TriggerMode": "On"})
    with plant(one):
        camera = open_genicam(f"genicam:{producer(tmp_path)}")
        with pytest.raises(NoFrameError, match=r"set \[stream.trigger\] kind = 'hardware'"):
            camera.read()
        one.settings["TriggerMode"] = "Off"
        with pytest.raises(NoFrameError, match="no other program uses it"):
            camera.read()
        one.settings["Width"] = GenericException("timeout on the control channel")
        with pytest.raises(SourceError, match=r"is lost \(timeout on") as loss:
            camera.read()
        assert not isinstance(loss.value, NoFrameError)
        one.sends.put(GenericException("stream closed"))
        with pytest.raises(SourceError, match="check cable and power"):
            camera.read()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (lambda path: f"genicam:{path}#SN9", r"camera SN9 is not found by maker.cti.*SN1, SN2"),
        (lambda path: f"genicam:{path}", r"has 2 cameras.*SN1, SN2"),
        (lambda path: "genicam:/opt/no.cti", r"no GenTL producer '/opt/no.cti'.*camera maker"),
        (lambda path: f"genicam:{path.with_name('text.cti')}", r"no GenTL producer for this"),
    ],
)
def test_which_camera(tmp_path: Path, address: Callable[[Path], str], words: str) -> None:
    (tmp_path / "text.cti").write_text("text")
    with (
        plant(Camera("SN1"), Camera("SN2", "belt")),
        pytest.raises(SourceError, match=words),
    ):
        open_genicam(address(producer(tmp_path)))


def test_a_producer_is_loaded_once_for_all_its_cameras(tmp_path: Path) -> None:
    cameras = [Camera("SN1"), Camera("SN2", "belt")]
    path = producer(tmp_path)
    with plant(*cameras) as loaded:
        first = open_genicam(f"genicam:{path}#SN1")
        second = open_genicam(f"genicam:{path}#belt")
        assert loaded == [str(path)]
        with pytest.raises(SourceError, match="close other programs that use it"):
            open_genicam(f"genicam:{path}#SN2")
        second.close()
        first.close()
    assert [one.opened for one in cameras] == [1, 1]


def test_a_camera_that_does_not_start_is_given_back(tmp_path: Path) -> None:
    one = Camera("SN1", refuses="payload size")
    with plant(one), pytest.raises(SourceError, match=r"does not start \(payload size\)"):
        open_genicam(f"genicam:{producer(tmp_path)}")
    assert one.access_status == 1


def test_a_hardware_trigger_needs_a_camera_in_trigger_mode(tmp_path: Path) -> None:
    one = Camera("SN1", settings={"Width": 64, "TriggerMode": "Off"})
    address = f"genicam:{producer(tmp_path)}"
    trigger = TriggerTable(kind="hardware")
    with plant(one):
        with pytest.raises(SourceError, match="set its TriggerMode to On"):
            open_source(address, stream="belt", trigger=trigger)
        assert one.access_status == 1
        one.settings["TriggerMode"] = "On"
        source = open_source(address, stream="belt", trigger=trigger)
        one.sends.put(bgr8(picture(4)))
        frame = source.read(WAIT_S)
        assert isinstance(frame, Frame) and number_of(frame.image) == 4
        assert source.state is SourceState.RUNNING
        one.sends.put(GenericException("unplugged"))
        source.close()


def test_without_the_library_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("harvesters", "harvesters.core", "genicam", "genicam.gentl"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SourceError, match=r"pip install 'edge-guard\[genicam\]'"):
        open_source(f"genicam:{producer(tmp_path)}", stream="belt")


def test_the_real_library_has_what_is_used() -> None:
    core = pytest.importorskip("harvesters.core")
    gentl = importlib.import_module("genicam.gentl")
    assert issubclass(gentl.GenericException, Exception)
    used = "try_fetch start destroy num_buffers remote_device"
    used += " timeout_period_on_update_event_data_call"
    assert all(hasattr(core.ImageAcquirer, name) for name in used.split())
    assert all(hasattr(core.Harvester, name) for name in ["add_file", "update", "create", "reset"])
