"""Follows a page as a reader would: writes its files, types its commands, compares the answers."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from pages import ROOT, Block, Command, blocks, commands, pattern
from resender import wait_until

LONGEST_S = 240


def quiet_port() -> int:
    """Return a free TCP port that no outgoing connection is given: it is used minutes later."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


class Reader:
    """Somebody with a folder, the source beside it, and several terminals.

    Parameters
    ----------
    folder : Path
        Empty.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {str(port): str(quiet_port()) for port in (1883, 8080, 8081, 8883)}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("models", "tools", "deploy"):
            (folder / name).symlink_to(ROOT / name)
        programs = folder / "programs"
        programs.mkdir()
        for name, what in (("edge-guard", "-P -m edge_guard.cli.main"), ("python", "")):
            (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {what} "$@"\n')
            (programs / name).chmod(0o755)
        path = os.pathsep.join([str(programs), os.environ["PATH"], "/usr/sbin"])
        self._environment = os.environ | {"PATH": path, "PYTHONUNBUFFERED": "1"}
        self._environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        self._environment.pop("PYTHONSAFEPATH", None)  # a reader has not set it

    def follow(
        self,
        page: Path,
        here: Mapping[str, str] | None = None,
        instead: Mapping[str, Callable[[], object]] | None = None,
    ) -> int:
        """Do all that a page says and return how many commands it had.

        Parameters
        ----------
        page : Path
        here : mapping
            Places and names on the page, and what they are on this machine.
        instead : mapping
            Commands that this machine must not run, and what is done in their place.
        """
        names = self.ports | (here or {})
        count = 0
        for shown in blocks(page):
            block = _here(shown, names)
            if block.language == "console" and block.title:
                self._go_on(block)
            elif block.language == "console":
                for command in commands(block):
                    self._type(command, instead or {})
            elif block.title:
                (self.folder / block.title).write_text(block.text)
            count += block.language == "console" and len(commands(block))
        return count

    def end(self, terminal: str = "") -> None:
        """Press Ctrl-C in one terminal, or in all, the last one first."""
        for name in [terminal] if terminal else list(reversed(self._running)):
            process = self._running.pop(name)
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=30)
            finally:
                process.kill()

    def said(self, terminal: str) -> str:
        """Return what a terminal shows."""
        # In files of their own: a thread's log may cut another one's line in two.
        kinds = ("log", "errors")
        return "\n".join((self.folder / f"{terminal}.{kind}").read_text() for kind in kinds)

    def enter(self, line: str) -> str:
        """Return what a command prints; it must end well."""
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
        assert done.returncode == 0, (line, done.stdout[-2000:], done.stderr[-2000:])
        return f"{done.stdout.strip()}\n".lstrip("\n")

    def _type(self, command: Command, instead: Mapping[str, Callable[[], object]]) -> None:
        if command.line in instead:
            instead[command.line]()
            return
        assert not command.line.startswith("sudo "), command.line
        shown = self.enter(f"set -o pipefail; {command.line}")
        assert pattern(command.answer).fullmatch(shown), (command, shown[:3000])

    def _go_on(self, block: Block) -> None:
        """Start a program and return when it has printed what the page shows, in any order."""
        (command,) = commands(block)
        log = self.folder / f"{block.title}.log"
        with log.open("wb") as file, log.with_suffix(".errors").open("wb") as errors:
            line = f"exec {command.line}"
            self._running[block.title] = subprocess.Popen(
                ["bash", "-c", line],
                cwd=self.folder,
                env=self._environment,
                stdout=file,
                stderr=errors,
            )
        process = self._running[block.title]
        lines = [pattern((f"…{line}",)) for line in command.answer]

        def complete() -> bool:
            shown = self.said(block.title)
            return all(line.search(shown) for line in lines)

        wait_until(lambda: process.poll() is not None or complete(), 90)
        assert process.poll() is None, self.said(block.title)


def _here(block: Block, names: Mapping[str, str]) -> Block:
    for shown, own in names.items():
        block = Block(*(part.replace(shown, own) for part in block))
    return block


def moved(folder: Path, old: str, new: str) -> None:
    """Replace a name in every file of a folder."""
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in {".conf", ".acl"}:
            path.write_text(path.read_text().replace(old, new))
