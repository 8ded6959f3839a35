"""The ``edge-guard`` command: finds the command's module, runs it, turns errors into exit codes.

A command ``NAME`` is the file ``edge_guard/cli/NAME.py`` with two functions and its line in
``COMMANDS``:

    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.description = "One paragraph for --help."
        parser.add_argument("bundle", metavar="X.guard", help="…")
        add_json_argument(parser)               # from edge_guard.cli.output, where it has --json

    def run(args: argparse.Namespace) -> int:
        from edge_guard.guard import load       # heavy imports in here, never at the top
        output = Output(args.json)
        output.record({"type": "thing", …})     # a line of JSON, only with --json
        output.text("For people")               # only without
        return 0

Only the named command's module is imported, and ``add_arguments`` must import nothing heavy.
Raise an ``EdgeGuardError`` to fail: it becomes one line on stderr and its exit code. Sub-commands
(``bundle show``) are ``parser.add_subparsers(dest="action", required=True)``. Every parser has
``-v/--verbose`` already.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from edge_guard import __version__
from edge_guard.errors import ConfigError, EdgeGuardError

COMMANDS = {
    "calibrate": "fit a guard to a model from reference images",
    "calibrate-all": "calibrate every stream of a fleet file",
    "inspect": "judge images, folders or video",
    "evaluate": "measure a bundle on images it has not seen",
    "compare": "two versions of a model or bundle on the same images",
    "parity": "how production images differ from the references",
    "run": "guard streams on a device, unattended",
    "product": "say which product a stream shows from now on",
    "collect": "receive, store and show what devices report",
    "labels": "people's labels as CSV, out of a collector and back",
    "people": "who may use a collector, and who did what",
    "store": "back up, restore, export or move what a collector stores",
    "demo": "play a guarded line on this machine",
    "doctor": "examine a device, and say what to do",
    "bench": "measure what a bundle costs on this device",
    "retune": "make a new bundle from people's labels",
    "bundle": "show, verify, compare or sign bundles",
    "config": "check a configuration file, or print its schema",
    "schema": "print how messages look, for whoever reads them",
    "home-assistant": "let Home Assistant find a device",
}

INTERRUPTED = 130
READER_GONE = 141


class Parser(argparse.ArgumentParser):
    """An argument parser whose usage errors are ``ConfigError`` and which knows ``--verbose``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, **kwargs)
        self.add_argument(
            "-v",
            "--verbose",
            action="count",
            default=argparse.SUPPRESS,  # a sub-parser's default would undo its parent's count
            help="log more to stderr; twice for every detail",
        )

    def error(self, message: str) -> NoReturn:
        """Raise the usage error; ``main`` prints it."""
        raise ConfigError(message, f"see '{self.prog} --help'")


def build_parser(command: str | None) -> Parser:
    """Return the parser with every command's name, and the arguments of ``command`` only.

    Parameters
    ----------
    command : str or None
        A key of ``COMMANDS``; anything else loads no command's module.
    """
    parser = Parser(
        prog="edge-guard",
        description="Keeps vision models honest on the production line.",
        epilog="'edge-guard COMMAND --help' tells more about a command.",
    )
    parser.add_argument("--version", action="version", version=f"edge-guard {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        subparser = commands.add_parser(name, help=summary)
        if name == command:
            _module(name).add_arguments(subparser)
    return parser


def _module(command: str) -> Any:
    return import_module(f"edge_guard.cli.{command.replace('-', '_')}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the program's name; default ``sys.argv[1:]``.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
    except EdgeGuardError as error:
        return _report(error, json="--json" in arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _abandon_stdout()
    return code


def limit_libraries() -> None:
    """Set what OpenCV and NumPy read from the environment once, when they are loaded.

    An image larger than 2²⁸ px (three times the largest industrial camera's) is refused before its
    memory is taken, and OpenCV's own messages stay off stderr. BLAS gets one thread: matrices here
    are small, and threads that wait for each other on a busy device cost more than forty times what
    they compute. A user's own settings are kept.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 28))
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")


def _dispatch(arguments: list[str]) -> int:
    command = next((word for word in arguments if not word.startswith("-")), None)
    limit_libraries()
    args = build_parser(command).parse_args(arguments)
    _log_to_stderr(getattr(args, "verbose", 0))
    code: int = _module(args.command).run(args)
    return code


def _log_to_stderr(verbosity: int) -> None:
    import logging

    levels = (logging.WARNING, logging.INFO, logging.DEBUG)
    logging.basicConfig(
        stream=sys.stderr,
        level=levels[min(verbosity, len(levels) - 1)],
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )


def _report(error: EdgeGuardError, *, json: bool) -> int:
    try:
        if json:
            from edge_guard.cli.output import Output

            said = {"code": error.code, "problem": error.problem, "remedy": error.remedy}
            Output(json=True).record({"type": "error"} | said | {"exit_code": error.exit_code})
        sys.stdout.flush()
    except BrokenPipeError:
        _abandon_stdout()
    print(f"edge-guard: {' '.join(str(error).split())} [{error.code}]", file=sys.stderr)
    return error.exit_code


def _abandon_stdout() -> int:
    """Keep the interpreter from failing again when it flushes a pipe that nobody reads."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return READER_GONE


if __name__ == "__main__":
    sys.exit(main())
