"""``edge-guard store``: back up, restore, export and move what a collector stores."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_guard.cli.output import Output, add_json_argument

if TYPE_CHECKING:
    from edge_guard.collector.pictures import Pictures
    from edge_guard.config import StoreTable

_ACTIONS = {
    "backup": "write database, pictures and bundles to a new folder, also while it runs",
    "restore": "make what a backup holds the store of a collector that has none yet",
    "export": "write frames, labels and summaries as JSON lines, with their pictures",
    "move": "copy the database to another one, also of the other kind",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Looks after what a collector stores. backup and export may run beside the collector and "
        "hold one moment of it; stop it for restore and move."
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, summary in _ACTIONS.items():
        action = actions.add_parser(name, help=summary, description=summary)
        if name == "restore":
            action.add_argument("folder", type=Path, metavar="BACKUP", help="a finished backup")
        action.add_argument("config", metavar="COLLECTOR.toml", help="the collector's settings")
        if name in ("backup", "export"):
            action.add_argument("folder", type=Path, metavar="FOLDER", help="must not exist")
        if name == "move":
            action.add_argument(
                "--to", required=True, metavar="URL", help="an empty database; as [store] url"
            )
        add_json_argument(action)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from edge_guard.config import load_collector_config
    from edge_guard.errors import missing_extra

    table = load_collector_config(args.config).store
    try:
        from edge_guard.collector.pictures import open_pictures

        done = _done(args, table, open_pictures(table))
    except ModuleNotFoundError as error:
        raise missing_extra(error.name or "sqlalchemy", "collector") from error
    output = Output(args.json)
    output.record({"type": args.action} | done)
    numbers = ", ".join(f"{n} {name}" for name, n in done.items() if isinstance(n, int))
    output.text(f"{args.action} done: {numbers}")
    return 0


def _done(args: argparse.Namespace, table: StoreTable, pictures: Pictures) -> dict[str, object]:
    import msgspec

    from edge_guard.collector import archive

    bundles = Path(table.bundle_folder)
    if args.action == "backup":
        made = archive.back_up(table.url, pictures, bundles, args.folder)
        return msgspec.structs.asdict(made)
    if args.action == "restore":
        back = archive.restore(args.folder, table.url, pictures, bundles)
        return msgspec.structs.asdict(back)
    if args.action == "export":
        return dict(archive.export(table.url, pictures, args.folder))
    return dict(archive.move(table.url, args.to, pictures))
