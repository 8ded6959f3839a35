"""From a frame to the model's input tensor; also JPEG and thumbnails. OpenCV lives here."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from edge_guard.backends.geometry import PADDING, Geometry, Mode, geometry
from edge_guard.backends.spec import TensorSpec
from edge_guard.backends.tables import pixel_tables, xor_constant
from edge_guard.card import InputCard
from edge_guard.errors import CardError, ModelError, SourceError
from edge_guard.types import Array, Image

cv2.setNumThreads(1)

_LEAST_OF_16_BITS = 4096
"""Below it, 16 bits hold 12 or fewer that nobody scaled."""


class Resizer:
    """Gives each frame the model's size, in memory it reuses until the frame's shape changes."""

    def __init__(self, mode: Mode, height: int, width: int) -> None:
        self._mode = mode
        self._size = (height, width)
        self._shape: tuple[int, ...] = ()
        self._plan = Geometry(0, 0, 0, 0, 0, 0, 1, 1)
        self._blocks = self._out = self._inner = np.empty((0, 0), np.uint8)

    def __call__(self, image: Image) -> Image:
        """Return the resized frame, contiguous; it may be ``image`` itself or reused memory."""
        if image.shape != self._shape:
            self._prepare(image.shape)
        if image.shape[:2] == self._size and image.flags.c_contiguous:
            return image
        plan = self._plan
        part = image[plan.top : plan.top + plan.height, plan.left : plan.left + plan.width]
        if plan.blocks_down > 1 or plan.blocks_across > 1:
            size = (self._blocks.shape[1], self._blocks.shape[0])
            cv2.resize(part, size, dst=self._blocks, interpolation=cv2.INTER_AREA)
            part = self._blocks
        if part.shape == self._inner.shape:
            np.copyto(self._inner, part)
        else:
            size = (plan.out_width, plan.out_height)
            cv2.resize(part, size, dst=self._inner, interpolation=cv2.INTER_LINEAR)
        return self._out

    def _prepare(self, shape: tuple[int, ...]) -> None:
        """Plan for frames of this shape, and allocate."""
        plan = geometry(self._mode, (shape[0], shape[1]), *self._size)
        rest = shape[2:]
        self._blocks = np.empty(
            (plan.height // plan.blocks_down, plan.width // plan.blocks_across, *rest), np.uint8
        )
        self._out = np.full((*self._size, *rest), PADDING, np.uint8)
        top = (self._size[0] - plan.out_height) // 2
        left = (self._size[1] - plan.out_width) // 2
        self._inner = self._out[top : top + plan.out_height, left : left + plan.out_width]
        self._plan, self._shape = plan, shape


class Preprocess:
    """Writes a frame into the model's input tensor, reusing its scratch memory.

    Parameters
    ----------
    card : InputCard
    spec : TensorSpec
        The model's input.

    Raises
    ------
    CardError
        The card contradicts the input.
    ModelError
        The input is not an image of 1 or 3 channels.
    """

    def __init__(self, card: InputCard, spec: TensorSpec) -> None:
        if spec.channels not in (1, 3):
            raise ModelError(
                f"input {spec.name!r} has {spec.channels} channels",
                "edge-guard guards models with 1 or 3 input channels",
            )
        if spec.channels == 1 and card.color != "gray":
            raise CardError(
                f'model card: [input] color = "{card.color}", but the model takes 1 channel',
                'write color = "gray"',
            )
        self._spec = spec
        self._gray = card.color == "gray"
        self._resizer = Resizer(card.resize, spec.height, spec.width)
        tables = pixel_tables(card, spec)
        self._tables = [table[None, :] for table in tables]
        self._shared = bool(np.all(tables == tables[0]))
        self._interleaved = np.ascontiguousarray(tables.T)[None]
        self._flip = xor_constant(tables)
        self._order = (0, 1, 2) if card.color == "bgr" else (2, 1, 0)
        self._plane = np.empty((spec.height, spec.width), np.uint8)
        self._pixels = np.empty((spec.height, spec.width, 3), np.uint8)
        self._gray_frame: Image = np.empty((0, 0), np.uint8)

    def __call__(self, image: Image, tensor: Array) -> None:
        """Write ``image`` into ``tensor``.

        Parameters
        ----------
        image : Image
            uint8, (H, W, 3) BGR or (H, W).
        tensor : Array
            A backend's input: (H, W, C) or (C, H, W), dtype of the spec.

        Raises
        ------
        SourceError
            The image is not uint8, (H, W, 3) or (H, W).
        """
        small = self._resizer(self._one_channel(checked_image(image)))
        if self._spec.channels == 1:
            self._write_plane(small, tensor.reshape(small.shape), 0)
        elif self._spec.channels_last:
            self._write_pixels(small, tensor)
        else:
            for channel, source in enumerate(self._order):
                plane = small
                if small.ndim == 3:
                    plane = cast(Image, cv2.extractChannel(small, source, dst=self._plane))
                self._write_plane(plane, tensor[channel], channel)

    def _one_channel(self, image: Image) -> Image:
        """The gray frame where the card wants gray; else the frame."""
        if not self._gray or image.ndim == 2:
            return image
        if self._gray_frame.shape != image.shape[:2]:
            self._gray_frame = np.empty(image.shape[:2], np.uint8)
        return cast(Image, cv2.cvtColor(image, cv2.COLOR_BGR2GRAY, dst=self._gray_frame))

    def _write_plane(self, plane: Image, out: Array, channel: int) -> None:
        """One channel's pixels through its table."""
        if self._flip is not None:
            np.bitwise_xor(plane, self._flip, out=out.view(np.uint8))
        else:
            _look_up(plane, self._tables[channel], out)

    def _write_pixels(self, small: Image, tensor: Array) -> None:
        """Interleaved pixels in the card's colour order through the tables."""
        pixels = self._ordered(small)
        if self._flip is not None:
            np.bitwise_xor(pixels, self._flip, out=tensor.view(np.uint8))
        elif self._shared:
            rows = pixels.shape[0]
            _look_up(pixels.reshape(rows, -1), self._tables[0], tensor.reshape(rows, -1))
        else:
            _look_up(pixels, self._interleaved, tensor)

    def _ordered(self, small: Image) -> Image:
        """Three contiguous channels in the card's colour order."""
        if small.ndim == 2:
            return cast(Image, cv2.cvtColor(small, cv2.COLOR_GRAY2BGR, dst=self._pixels))
        if self._order[0] == 0:
            np.copyto(self._pixels, small)
            return self._pixels
        return cast(Image, cv2.cvtColor(small, cv2.COLOR_BGR2RGB, dst=self._pixels))


def _look_up(pixels: Image, table: Array, out: Array) -> None:
    """out = table[pixels]; OpenCV has no int8 tables worth using, so bytes go as uint8."""
    if out.dtype == np.int8:
        table, out = table.view(np.uint8), out.view(np.uint8)
    cv2.LUT(pixels, table, dst=out)


def checked_image(image: Image) -> Image:
    """Return the image, its pixels adjacent in memory.

    Raises
    ------
    SourceError
        It is not a uint8 array of (H, W, 3) or (H, W) with at least one pixel.
    """
    shape = getattr(image, "shape", None)
    dtype = getattr(image, "dtype", None)
    if shape is None or dtype is None:
        raise SourceError(f"an image must be a NumPy array, not {type(image).__name__}")
    if dtype != np.uint8:
        raise SourceError(f"the image is {dtype}", "give uint8 pixels, 0 to 255")
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] != 3) or 0 in shape:
        raise SourceError(
            f"the image has shape {tuple(shape)}", "give (height, width, 3) BGR or (height, width)"
        )
    row = image.strides[1:]
    usual = row == ((1,) if len(shape) == 2 else (3, 1)) and image.strides[0] >= 0
    return image if usual else np.ascontiguousarray(image)


def encode_jpeg(image: Image, quality: int = 90) -> bytes:
    """Return the image as a JPEG file's bytes; ``quality`` 1 to 100.

    Raises
    ------
    SourceError
        The image is not uint8 (H, W, 3) or (H, W), or is too large for a JPEG.
    """
    return _encode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])


def encode_png(image: Image) -> bytes:
    """Return the image as a PNG file's bytes, without loss.

    Raises
    ------
    SourceError
        The image is not uint8 (H, W, 3) or (H, W).
    """
    return _encode(".png", image, [])


def _encode(suffix: str, image: Image, options: list[int]) -> bytes:
    try:
        done, data = cv2.imencode(suffix, checked_image(image), options)
    except cv2.error as error:
        raise _cannot(
            f"an image of shape {image.shape} cannot be a {suffix} file", error
        ) from error
    if not done:
        raise SourceError(f"an image of shape {image.shape} cannot be a {suffix} file")
    return data.tobytes()


def decode_image(data: bytes, name: str = "image") -> Image:
    """Return an image file's pixels: uint8, (H, W, 3) BGR, or (H, W) where the file is gray.

    16-bit pixels keep their upper 8 bits; alpha is dropped; EXIF orientation is applied.

    Parameters
    ----------
    data : bytes
        Content of a JPEG, PNG, BMP, TIFF or other file that OpenCV reads.
    name : str
        What errors call it.

    Raises
    ------
    SourceError
        It cannot be decoded, its pixels are neither 8 nor 16 bits, or 16-bit pixels use so little
        of their range that 8 bits would show nothing: 10 or 12 bits, not scaled.
    """
    buffer = np.frombuffer(data, np.uint8)
    try:
        pixels: Array | None = (
            cv2.imdecode(buffer, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH) if data else None
        )
    except cv2.error as error:
        raise _cannot(f"{name}: the image cannot be decoded", error) from error
    if pixels is None:
        raise SourceError(
            f"{name}: the image cannot be decoded", "the file is damaged or not an image"
        )
    if pixels.dtype == np.uint16:
        if 0 < (highest := int(pixels.max())) < _LEAST_OF_16_BITS:
            raise SourceError(
                f"{name}: its 16-bit pixels reach only {highest} of 65535",
                "scale 10- or 12-bit pictures to the full range, or save them with 8 bits",
            )
        pixels = np.right_shift(pixels, 8, dtype=np.uint16).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise SourceError(f"{name}: {pixels.dtype} pixels", "save the image with 8 or 16 bits")
    return checked_image(cast(Image, pixels))


def thumbnail(image: Image, longest_side: int) -> Image:
    """Return the image shrunk so that its longer side is ``longest_side`` px; never enlarged."""
    image = checked_image(image)
    height, width = image.shape[:2]
    factor = longest_side / max(height, width)
    if factor >= 1:
        return image.copy()
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cast(Image, cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def _cannot(problem: str, error: cv2.error) -> SourceError:
    return SourceError(f"{problem}: {' '.join(str(error).split())[:120]}")
