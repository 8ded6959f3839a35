"""``edge-guard people``: who may use a collector's page and interface."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_guard.cli.output import Output, add_json_argument
from edge_guard.errors import ConfigError, StoreError, missing_extra

if TYPE_CHECKING:
    from edge_guard.collector.people.house import Keepers

_ROLES = ("viewer", "operator", "engineer")
_DAYS = 365.0
_MOST_ENTRIES = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.description = (
        "Who may use a collector: viewers see, operators also judge frames and handle alarms, "
        "engineers do everything. Works while the collector runs; changes hold within a second."
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (summary, _) in _ACTIONS.items():
        action = actions.add_parser(name, help=summary, description=summary)
        if name == "token":
            action.add_argument("what", choices=("create", "list", "revoke"), help="what to do")
        config = "the collector's configuration"
        action.add_argument("config", metavar="COLLECTOR.toml", help=config)
        _add_action(name, action)
        add_json_argument(action)


def _add_action(name: str, action: argparse.ArgumentParser) -> None:
    if name in ("add", "remove", "password", "role"):
        action.add_argument("name", metavar="NAME", help="as it is typed to sign in")
    if name in ("add", "role"):
        action.add_argument("--role", choices=_ROLES, required=True, help="what they may do")
    if name in ("add", "password"):
        source = "file whose first line is the password; default: asked for, without echo"
        action.add_argument("--password-file", type=Path, metavar="FILE", help=source)
    if name == "token":
        _add_token(action)
    if name == "trail":
        most = f"how many entries to print, the newest (default 50, at most {_MOST_ENTRIES})"
        action.add_argument("--limit", type=int, default=50, metavar="N", help=most)


def _add_token(action: argparse.ArgumentParser) -> None:
    scopes = "what it is for, separated by commas: read, label, command, retune, rollout, admin"
    action.add_argument("--name", help="of the program; what it does is noted under it")
    action.add_argument("--scope", metavar="SCOPES", help=scopes)
    days = f"after these it expires (default {_DAYS:g})"
    action.add_argument("--days", type=float, default=_DAYS, help=days)


def run(args: argparse.Namespace) -> int:
    """Run the command and return 0.

    Raises
    ------
    ConfigError
        The configuration or a name, role, password or scope cannot be used.
    StoreError
        The database cannot be opened, or its audit trail was tampered with.
    """
    _ACTIONS[args.action][1](args, Output(args.json))
    return 0


def _add(args: argparse.Namespace, output: Output) -> None:
    with _keepers(args.config) as keepers:
        keepers.roster.add(args.name, args.role, _password(args.password_file), _by())
    output.record({"type": "person", "name": args.name, "role": args.role})
    output.text(f"added {args.name} as {args.role}")


def _list(args: argparse.Namespace, output: Output) -> None:
    with _keepers(args.config) as keepers:
        members = keepers.roster.members()
    for one in members:
        record = {"type": "person", "name": one.name, "role": one.role, "sessions": one.sessions}
        output.record(record | {"added_ms": one.added_ms, "used_ms": one.used_ms})
        used = f"last here {_day(one.used_ms)}" if one.used_ms else "not signed in"
        output.text(f"{one.name}: {one.role}, {used}")
    if not members:
        output.text("nobody yet: 'edge-guard people add' adds somebody")


def _remove(args: argparse.Namespace, output: Output) -> None:
    with _keepers(args.config) as keepers:
        keepers.roster.remove(args.name, _by())
        last = keepers.roster.empty()
    output.record({"type": "removed", "name": args.name})
    output.text(f"removed {args.name}")
    if last:
        output.text("nobody is left: on a loopback address the page is open to this machine now")


def _change_password(args: argparse.Namespace, output: Output) -> None:
    with _keepers(args.config) as keepers:
        keepers.roster.set_password(args.name, _password(args.password_file), _by())
    output.record({"type": "password", "name": args.name})
    output.text(f"{args.name} has a new password, and is signed out everywhere")


def _role(args: argparse.Namespace, output: Output) -> None:
    with _keepers(args.config) as keepers:
        keepers.roster.set_role(args.name, args.role, _by())
    output.record({"type": "person", "name": args.name, "role": args.role})
    output.text(f"{args.name} is {args.role} now")


def _token(args: argparse.Namespace, output: Output) -> None:
    if args.what != "list" and not args.name:
        raise ConfigError(f"token {args.what} needs --name", "name the program that uses it")
    if args.what == "create" and not args.scope:
        raise ConfigError("token create needs --scope", "such as --scope read,label")
    with _keepers(args.config) as keepers:
        if args.what == "create":
            made = keepers.tokens.create(args.name, args.scope.split(","), args.days, _by())
            output.record({"type": "token", "name": args.name, "token": made})
            output.text(made)
            print("keep it well: it is not stored and cannot be shown again", file=sys.stderr)
        elif args.what == "revoke":
            keepers.tokens.revoke(args.name, _by())
            output.record({"type": "revoked", "name": args.name})
            output.text(f"revoked {args.name}")
        else:
            _list_tokens(keepers, output)


def _list_tokens(keepers: Keepers, output: Output) -> None:
    for one in keepers.tokens.listed():
        times = {"added_ms": one.added_ms, "expires_ms": one.expires_ms, "used_ms": one.used_ms}
        output.record({"type": "token", "name": one.name, "scopes": one.scopes} | times)
        used = f"last used {_day(one.used_ms)}" if one.used_ms else "not used"
        scopes = ", ".join(one.scopes)
        output.text(f"{one.name}: {scopes}; {used}, expires {_day(one.expires_ms)}")


def _trail(args: argparse.Namespace, output: Output) -> None:
    with _keepers(args.config) as keepers:
        entries = keepers.trail.entries(max(1, min(args.limit, _MOST_ENTRIES)))
        broken = keepers.trail.broken()
    for one in reversed(entries):
        said: dict[str, Any] = {"who": one.who, "action": one.action, "subject": one.subject}
        said = {"type": "entry", "id": one.id, "at_ms": one.at_ms, **said}
        output.record(said | {"details": one.details})
        details = "".join(f", {key} {value}" for key, value in one.details.items())
        output.text(f"{_day(one.at_ms)}  {one.who}  {one.action}  {one.subject}{details}")
    if broken is not None:
        raise StoreError(
            f"entry {broken} of the audit trail does not fit those before it",
            "somebody changed the database: compare it with a backup",
        )
    output.record({"type": "trail", "unbroken": True})
    output.text("every entry fits those before it")


@contextmanager
def _keepers(path: str) -> Iterator[Keepers]:
    try:
        from edge_guard.collector.people.house import opened
    except ModuleNotFoundError as error:
        raise missing_extra(error.name or "sqlalchemy", "collector") from error
    from edge_guard.config import load_collector_config

    with opened(load_collector_config(path)) as keepers:
        yield keepers


def _password(file: Path | None) -> str:
    if file is not None:
        try:
            return (file.read_text("utf-8").splitlines() or [""])[0]
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(
                f"{file} cannot be read ({reason})", "correct --password-file"
            ) from error
    if not sys.stdin.isatty():
        raise ConfigError("there is no terminal to ask for the password", "give --password-file")
    password = getpass.getpass("password: ")
    if getpass.getpass("again: ") != password:
        raise ConfigError("the passwords differ", "try again")
    return password


def _by() -> str:
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):  # a user id without a name, as in containers
        return "command line"


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


_ACTIONS: dict[str, tuple[str, Callable[[argparse.Namespace, Output], None]]] = {
    "add": ("add a person", _add),
    "list": ("list everybody, with roles", _list),
    "remove": ("remove a person, and sign them out", _remove),
    "password": ("give a person a new password, and sign them out", _change_password),
    "role": ("change what a person may do", _role),
    "token": ("create, list or revoke tokens, with which programs use the interface", _token),
    "trail": ("print who did what, and check that nobody changed it", _trail),
}
