"""``edge-guard product``: which product a stream shows, and another one from now on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_guard.cli.output import Output, add_json_argument
from edge_guard.errors import ConfigError

if TYPE_CHECKING:
    from edge_guard.config import DeviceConfig, StreamTable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Says which product each stream of this device shows, or, with PRODUCT, that it shows "
        "another one from now on. Needs no broker; holds over restarts, and on streams with a "
        "timetable until the next product begins. A device that runs takes it up before its next "
        "frame."
    )
    parser.add_argument(
        "config", type=Path, metavar="DEVICE.toml", help="the device's configuration"
    )
    parser.add_argument("product", nargs="?", metavar="PRODUCT", help="what comes from now on")
    parser.add_argument("--stream", metavar="NAME", help="needed where several have products")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command.

    Raises
    ------
    ConfigError
        There is no such stream or product, or part ids say what is shown.
    StoreError
        The disk refuses.
    """
    from edge_guard.config import load_device_config

    config = load_device_config(args.config)
    output = Output(args.json)
    tables = _chosen(config, args.stream)
    if args.product is not None:
        from edge_guard.changeover import order_product

        if len(tables) > 1:
            known = ", ".join(table.name for table in tables)
            raise ConfigError(f"several streams have products: {known}", "name one with --stream")
        table = tables[0]
        order_product(table, Path(config.spool.path), args.product)
        output.record({"type": "product", "stream": table.name, "product": args.product})
        output.text(f"{table.name}: {args.product} from the next frame on", color="green")
        return 0
    for table in tables:
        _tell(table, Path(config.spool.path), output)
    return 0


def _chosen(config: DeviceConfig, name: str | None) -> list[StreamTable]:
    """Return the streams with products, or the one of them that is named."""
    having = [table for table in config.stream if table.product]
    if not having:
        raise ConfigError("no stream of this device has products", "see docs/thirty-lines.md")
    chosen = [table for table in having if name in (None, table.name)]
    if not chosen:
        known = ", ".join(table.name for table in having)
        raise ConfigError(f"no stream {name!r} has products", f"these have: {known}")
    return chosen


def _tell(table: StreamTable, spool: Path, output: Output) -> None:
    from edge_guard.changeover import Changeover

    changeover = Changeover(table, spool)
    now = changeover.now()
    for product in table.product:
        how = ", ".join((*product.parts, *product.times)) or "when somebody says so"
        mark = "→" if product.name == now else " "
        output.text(f"{mark} {table.name}  {product.name}: {how}")
    output.record(
        {
            "type": "product",
            "stream": table.name,
            "product": now,
            "products": [product.name for product in table.product],
        }
    )
