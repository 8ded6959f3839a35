"""The input tensor is what the formula says, for every dtype, layout, colour and size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_guard.backends.layout import array_shape
from edge_guard.backends.preprocess import (
    Preprocess,
    decode_image,
    encode_jpeg,
    encode_png,
    thumbnail,
)
from edge_guard.backends.spec import TensorSpec
from edge_guard.backends.tables import pixel_tables, xor_constant
from edge_guard.card import InputCard
from edge_guard.errors import CardError, ModelError, SourceError

SIDE = 12
IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


def spec(dtype: str, channels: int = 3, *, last: bool = True, **quantization: float) -> TensorSpec:
    return TensorSpec("x", dtype, SIDE, SIDE, channels, last, **quantization)


def picture(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def written(card: InputCard, to: TensorSpec, image: np.ndarray) -> np.ndarray:
    tensor = np.zeros(array_shape(to), to.dtype)
    Preprocess(card, to)(image, tensor)
    return tensor


def oracle(card: InputCard, to: TensorSpec, image: np.ndarray) -> np.ndarray:
    """The formula in float64 for an image that needs no resizing."""
    if card.color == "gray" or image.ndim == 2:
        gray = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        pixels = np.repeat(gray[..., None], to.channels, axis=2)
    else:
        pixels = image if card.color == "bgr" else image[..., ::-1]
    real = (pixels.astype(np.float64) - np.array(card.mean)) / np.array(card.std)
    if to.dtype != "float32":
        limits = np.iinfo(to.dtype)
        real = np.clip(np.round(real / to.scale) + to.zero_point, limits.min, limits.max)
    stored = real.astype(to.dtype)
    return stored if to.channels_last or to.channels == 1 else stored.transpose(2, 0, 1)


SPECS = [
    spec("float32"),
    spec("float32", last=False),
    spec("uint8", scale=1 / 128, zero_point=128),
    spec("int8", scale=1.0, zero_point=-128),
    spec("int8", scale=0.018, zero_point=-14),
    spec("int8", last=False, scale=0.018, zero_point=-14),
]
CARDS = [
    InputCard("rgb", mean=(0.0,), std=(1.0,)),
    InputCard("bgr", mean=(128.0,), std=(128.0,)),
    InputCard("rgb", mean=IMAGENET[0], std=IMAGENET[1]),
    InputCard("gray", mean=IMAGENET[0], std=IMAGENET[1]),
    InputCard("gray", mean=(127.5,), std=(127.5,)),
]


@pytest.mark.parametrize("to", SPECS, ids=str)
@pytest.mark.parametrize("card", CARDS, ids=str)
@pytest.mark.parametrize("shape", [(SIDE, SIDE, 3), (SIDE, SIDE)], ids=["color", "gray"])
def test_equals_the_formula(card: InputCard, to: TensorSpec, shape: tuple[int, ...]) -> None:
    image = picture(1, *shape)
    assert np.array_equal(written(card, to, image), oracle(card, to, image))


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("shape", [(SIDE, SIDE, 3), (SIDE, SIDE)], ids=["color", "gray"])
def test_one_channel_models(dtype: str, last: bool, shape: tuple[int, ...]) -> None:
    to = spec(dtype, 1, last=last, scale=1.0 if dtype == "float32" else 0.00784, zero_point=0)
    card = InputCard("gray", mean=(127.5,), std=(127.5,))
    image = picture(2, *shape)
    found = written(card, to, image)
    assert np.array_equal(found.reshape(SIDE, SIDE), oracle(card, to, image)[..., 0])


def test_rounds_half_to_even_and_clamps() -> None:
    to = spec("int8", 1, scale=1.0, zero_point=0)
    table = pixel_tables(InputCard("gray", mean=(0.0,), std=(2.0,)), to)[0]
    assert table[:8].tolist() == [0, 0, 1, 2, 2, 2, 3, 4]  # 0.5 → 0, 1.5 → 2, 2.5 → 2, 3.5 → 4
    steep = pixel_tables(InputCard("gray", mean=(128.0,), std=(0.5,)), to)[0]
    assert (steep[0], steep[255], steep[128]) == (-128, 127, 0)


def test_raw_bytes_are_recognised() -> None:
    raw = pixel_tables(InputCard(mean=(128.0,), std=(128.0,)), SPECS[2])
    centred = pixel_tables(InputCard(), SPECS[3])
    assert (xor_constant(raw), xor_constant(centred)) == (0, 128)
    assert xor_constant(pixel_tables(InputCard(), SPECS[0])) is None
    assert xor_constant(pixel_tables(InputCard(std=(2.0,)), SPECS[3])) is None


def gray_identity(height: int, width: int) -> tuple[InputCard, TensorSpec]:
    return InputCard("gray"), TensorSpec("x", "uint8", height, width, 1)


def test_shrinking_by_whole_factors_is_the_block_mean() -> None:
    card, to = gray_identity(8, 8)
    image = picture(3, 32, 24)
    found = np.zeros((8, 8), np.uint8)
    Preprocess(card, to)(image, found)
    mean = image.reshape(8, 4, 8, 3).mean(axis=(1, 3))
    assert np.abs(found - mean).max() <= 0.5 + 1e-9


def test_shrinking_does_not_alias() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (96, 48))  # 1 px stripes, mean 127.5
    card, to = gray_identity(40, 40)
    found = np.zeros((40, 40), np.uint8)
    Preprocess(card, to)(stripes, found)
    assert np.abs(found.astype(float) - 127.5).max() <= 1


def test_enlarging_is_linear() -> None:
    card, to = gray_identity(4, 9)
    found = np.zeros((4, 9), np.uint8)
    Preprocess(card, to)(np.tile(np.array([0, 90, 180], np.uint8), (4, 1)), found)
    assert found[0].tolist() == [0, 0, 30, 60, 90, 120, 150, 180, 180]


def test_center_crop_takes_the_middle() -> None:
    image = np.zeros((40, 100), np.uint8)
    image[:, 30:70] = picture(4, 40, 40)
    card = InputCard("gray", "center-crop")
    to = TensorSpec("x", "uint8", 40, 40, 1)
    found = np.zeros((40, 40), np.uint8)
    Preprocess(card, to)(image, found)
    assert np.array_equal(found, image[:, 30:70])
    shrunk = np.zeros((20, 20), np.uint8)
    Preprocess(card, TensorSpec("x", "uint8", 20, 20, 1))(image, shrunk)
    blocks = image[:, 30:70].reshape(20, 2, 20, 2).mean(axis=(1, 3))
    assert np.abs(shrunk - blocks).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("shape", [(20, 40), (40, 20), (20, 40, 3)])
def test_letterbox_keeps_the_aspect_and_pads_with_gray(shape: tuple[int, ...]) -> None:
    card = InputCard("gray" if len(shape) == 2 else "bgr", "letterbox")
    to = TensorSpec("x", "uint8", 20, 20, 1 if len(shape) == 2 else 3)
    found = np.zeros((20, 20, *shape[2:]), np.uint8)
    Preprocess(card, to)(np.full(shape, 200, np.uint8), found)
    if shape[0] > shape[1]:
        found = found.swapaxes(0, 1)
    assert np.all(found[:5] == 114)
    assert np.all(found[15:] == 114)
    assert np.all(found[5:15] == 200)


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    mode=st.sampled_from(["stretch", "center-crop", "letterbox"]),
    color=st.booleans(),
    side=st.sampled_from([(7, 5), (16, 16)]),
)
def test_any_frame_size_works(
    height: int, width: int, mode: str, color: bool, side: tuple[int, int]
) -> None:
    to = TensorSpec("x", "uint8", *side, 3)
    shape = (height, width, 3) if color else (height, width)
    found = np.zeros((*side, 3), np.uint8)
    Preprocess(InputCard("rgb", mode), to)(np.full(shape, 77, np.uint8), found)
    assert set(np.unique(found)) <= {77, 114}
    assert 77 in found


def test_frames_may_change_size_and_memory_is_reused() -> None:
    to = spec("float32", last=False)
    preprocess = Preprocess(CARDS[2], to)
    tensor = np.zeros(array_shape(to), np.float32)
    frames = [picture(5, 50, 60, 3), picture(6, SIDE, SIDE, 3), picture(7, 9, 31)]
    once = [written(CARDS[2], to, frame) for frame in frames]
    for _ in range(2):
        for frame, expected in zip(frames, once, strict=True):
            kept = frame.copy()
            preprocess(frame, tensor)
            assert np.array_equal(tensor, expected)
            assert np.array_equal(frame, kept)


def test_views_with_odd_strides_are_read_right() -> None:
    image = picture(8, 30, 40, 3)
    for view in (image[:, :, ::-1], image[::-1], image[::2, ::3], image[3:20, 5:30]):
        assert np.array_equal(
            written(CARDS[0], SPECS[0], view), written(CARDS[0], SPECS[0], view.copy())
        )


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((8, 8), np.uint16), "uint16"),
        (np.zeros((8, 8, 3), np.float32), "float32"),
        (np.zeros((8, 8, 4), np.uint8), r"\(8, 8, 4\)"),
        (np.zeros((8, 8, 1), np.uint8), r"\(8, 8, 1\)"),
        (np.zeros((0, 8), np.uint8), r"\(0, 8\)"),
        (np.zeros(8, np.uint8), r"\(8,\)"),
        ([[1, 2]], "list"),
    ],
)
def test_other_images_are_refused(image: object, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        Preprocess(CARDS[0], SPECS[0])(image, np.zeros((SIDE, SIDE, 3), np.float32))


@pytest.mark.parametrize(
    ("card", "to", "said"),
    [
        (InputCard("rgb"), spec("float32", 1), 'write color = "gray"'),
        (InputCard("rgb", mean=(1.0, 2.0)), spec("float32"), "mean has 2 values"),
        (InputCard("gray", std=(1.0, 2.0, 3.0)), spec("float32", 1), "std has 3 values"),
        (InputCard("rgb", std=(0.0,)), spec("float32"), "std"),
        (InputCard("rgb", mean=(float("nan"),)), spec("float32"), "mean"),
    ],
)
def test_cards_that_contradict_the_input(card: InputCard, to: TensorSpec, said: str) -> None:
    with pytest.raises(CardError, match=said):
        Preprocess(card, to)


def test_four_channels_are_refused() -> None:
    with pytest.raises(ModelError, match="4 channels"):
        Preprocess(CARDS[0], spec("float32", 4))


def test_png_returns_the_same_pixels() -> None:
    for image in (picture(9, 13, 17, 3), picture(10, 13, 17)):
        assert np.array_equal(decode_image(encode_png(image)), image)


def test_jpeg_is_near_and_smaller_at_lower_quality() -> None:
    rows, columns = np.mgrid[:64, :80]
    image = (rows + columns).astype(np.uint8)
    fine, coarse = encode_jpeg(image, 95), encode_jpeg(image, 10)
    assert len(coarse) < len(fine)
    assert np.abs(decode_image(fine).astype(int) - image).max() <= 3


def test_deep_and_transparent_files() -> None:
    deep = (picture(11, 9, 9).astype(np.uint16) << 8) | 0x7F
    assert np.array_equal(decode_image(cv2.imencode(".png", deep)[1].tobytes()), deep >> 8)
    clear = picture(12, 9, 9, 4)
    clear[..., 3] = 255
    assert np.array_equal(decode_image(cv2.imencode(".png", clear)[1].tobytes()), clear[..., :3])
    float_file = cv2.imencode(".tiff", np.ones((9, 9), np.float32))[1].tobytes()
    with pytest.raises(SourceError, match=r"part\.tiff: float32"):
        decode_image(float_file, "part.tiff")


@pytest.mark.parametrize("data", [b"", b"not an image", encode_png(picture(13, 9, 9))[:40]])
def test_undecodable_files_are_refused_by_name(data: bytes) -> None:
    with pytest.raises(SourceError, match="part 7") as caught:
        decode_image(data, "part 7")
    assert "\n" not in str(caught.value)


@settings(deadline=None, max_examples=80)
@given(st.binary(max_size=200), st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM"]))
def test_hostile_image_files_never_crash(tail: bytes, head: bytes) -> None:
    try:
        image = decode_image(head + tail)
    except SourceError:
        return
    assert image.dtype == np.uint8


def test_an_image_too_large_for_a_jpeg_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"\.jpg"):
        encode_jpeg(np.zeros((1, 70_000), np.uint8))


def test_thumbnail_shrinks_only() -> None:
    assert thumbnail(picture(14, 100, 50, 3), 20).shape == (20, 10, 3)
    assert thumbnail(picture(15, 3, 1000), 10).shape == (1, 10)
    small = picture(16, 5, 6)
    kept = thumbnail(small, 20)
    assert np.array_equal(kept, small)
    assert not np.shares_memory(kept, small)
