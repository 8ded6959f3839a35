"""The products of one stream: each with a bundle of its own, and how it is known."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from edge_guard.config.times import TimeOfWeek
from edge_guard.config.values import FilePath, Level, Table


class ProductTable(Table, frozen=True):
    """One ``[[stream.product]]``: a product that the stream shows, with a bundle of its own."""

    name: Annotated[Level, Meta(description="Name of the product, unique on the stream.")]
    bundle: Annotated[FilePath, Meta(description="The .guard file that judges this product.")]
    parts: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=256)], ...],
        Meta(
            description="Patterns of the part ids that are this product: * is any text, ? any "
            "character. The first product with a pattern that fits is taken; a frame that fits "
            "none goes to a person."
        ),
    ] = ()
    times: Annotated[
        tuple[TimeOfWeek, ...],
        Meta(
            description="When this product begins, in the device's local time: 06:00, "
            "mon-fri 14:00, sat,sun 22:30."
        ),
    ] = ()
