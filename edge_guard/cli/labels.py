"""``edge-guard labels``: people's labels as CSV, out of a collector and back into it."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edge_guard.cli.output import Output, add_json_argument
from edge_guard.errors import ConfigError, missing_extra

if TYPE_CHECKING:
    from edge_guard.collector.review.exchange import Given, Labelled, Outcome

_MEANINGS: dict[Outcome, str] = {
    "unknown": "there is no such event",
    "ambiguous": "several devices of that name have such an event: fill in site and line",
    "unanswered": "the model gave no answer to this event that could be right or wrong",
}


_DONE: tuple[Outcome, ...] = ("stored", "unchanged")


class _Collector(Protocol):
    def labelled(self) -> Iterator[Labelled]: ...
    def take_in(self, given: Sequence[Given]) -> Sequence[Outcome]: ...


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Writes people's labels to a CSV file, or takes such a file in. The columns are told in "
        "docs/review.md; taking the same file in twice changes nothing."
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    out = actions.add_parser(
        "export",
        help="write the newest word on every judged event",
        description="Writes the newest word on every judged event as CSV.",
    )
    _add_collector(out)
    name = "CSV file to write; default: stdout"
    out.add_argument("-o", "--output", type=Path, metavar="labels.csv", help=name)
    into = actions.add_parser(
        "import",
        help="take labels in",
        description="Takes labels in. A file with a line that cannot be read is refused whole; "
        "events that the collector does not know are reported, with exit code 2, and the others "
        "are stored.",
    )
    into.add_argument("file", type=Path, metavar="FILE", help="CSV file with labels")
    _add_collector(into)
    for action in (out, into):
        add_json_argument(action)


def _add_collector(action: argparse.ArgumentParser) -> None:
    where = "address of its page (http://… or https://…), or its TOML file on its own machine"
    action.add_argument("collector", metavar="COLLECTOR", help=where)
    token = "file with a token whose scopes are read and label; with an address only"
    action.add_argument("--token-file", type=Path, metavar="FILE", help=token)


def run(args: argparse.Namespace) -> int:
    """Run the command; return 2 where events are unknown.

    Raises
    ------
    ConfigError
        A file, address or token cannot be used.
    StoreError
        The collector or its database does not answer.
    """
    output = Output(args.json)
    try:
        return _export(args, output) if args.action == "export" else _import(args, output)
    except ModuleNotFoundError as error:
        raise missing_extra(error.name or "sqlalchemy", "collector") from error


def _export(args: argparse.Namespace, output: Output) -> int:
    from edge_guard.collector.review.label_file import write_labels

    if args.output is None and args.json:
        raise ConfigError("--json and the labels cannot both go to stdout", "give -o labels.csv")
    with _collector(args) as collector:
        if args.output is None:
            write_labels(collector.labelled(), sys.stdout)
            return 0
        n = _write(args.output, collector.labelled())
    output.record({"type": "labels", "exported": n, "file": str(args.output)})
    output.text(f"{n} labels written to {args.output}")
    return 0


def _write(path: Path, rows: Iterable[Labelled]) -> int:
    """Write beside the file first, so that it is whole or as it was."""
    from edge_guard.collector.review.label_file import write_labels

    part = path.with_name(f".{path.name}.part")
    try:
        try:
            with part.open("w", encoding="utf-8", newline="") as file:
                n = write_labels(rows, file)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror})", "choose another"
        ) from error
    return n


def _import(args: argparse.Namespace, output: Output) -> int:
    from edge_guard.collector.review.label_file import read_labels

    lines = read_labels(args.file)
    with _collector(args) as collector:
        outcomes = collector.take_in([given for _, given in lines])
    for (line, _), outcome in zip(lines, outcomes, strict=True):
        if outcome in _MEANINGS:
            output.record({"type": "line", "line": line, "outcome": outcome})
            output.text(f"{args.file}:{line}: {_MEANINGS[outcome]}", color="red")
    n = Counter(outcomes)
    output.record({"type": "labels", **{name: n[name] for name in (*_DONE, *_MEANINGS)}})
    left = sum(n[name] for name in _MEANINGS)
    more = f", {left} not stored" if left else ""
    output.text(f"{n['stored']} labels stored, {n['unchanged']} known before{more}")
    return ConfigError.exit_code if left else 0


@contextmanager
def _collector(args: argparse.Namespace) -> Iterator[_Collector]:
    if args.collector.startswith(("http://", "https://")):
        from edge_guard.collector.review.client import LabelClient

        yield LabelClient(args.collector, args.token_file)
        return
    if args.token_file is not None:
        raise ConfigError("--token-file is for a collector's address", "leave it out")
    from edge_guard.collector.review.local import opened
    from edge_guard.config import load_collector_config

    with opened(load_collector_config(args.collector), _by()) as collector:
        yield collector


def _by() -> str:
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):  # a user id without a name, as in containers
        return "command line"
