"""``edge-guard schema``: how messages look, for whoever reads them."""

from __future__ import annotations

import argparse

from edge_guard import __version__
from edge_guard.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Prints the JSON Schema (2020-12) of a message, or without a name the AsyncAPI 3.0 "
        "document of all topics. The same files are in docs/messages."
    )
    parser.add_argument(
        "message",
        nargs="?",
        metavar="MESSAGE",
        help="state, event, alarm or another message of the AsyncAPI document",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from edge_guard.publish.schemas import documents

    known = documents(__version__)
    name = f"{args.message or 'asyncapi'}.json"
    if name not in known:
        names = ", ".join(sorted(each.removesuffix(".json") for each in known))
        raise ConfigError(f"there is no message {args.message!r}", f"the messages are {names}")
    print(known[name].decode(), end="")
    return 0
