from __future__ import annotations

import argparse
import io
import json
import logging
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

import edge_guard
from edge_guard.cli import main as cli
from edge_guard.cli.output import Output, Progress
from edge_guard.errors import EdgeGuardError, SourceError

HEAVY = {"numpy", "cv2", "onnxruntime", "ai_edge_litert", "nicegui", "sqlalchemy", "paho"}


def command_line(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "edge_guard.cli.main", *arguments]


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command_line(*arguments), capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def stand_in(monkeypatch):
    """Makes the command ``bench`` do what a test wants."""

    def install(run):
        def add_arguments(parser: argparse.ArgumentParser) -> None:
            parser.add_argument("--json", action="store_true")

        monkeypatch.setitem(
            sys.modules,
            "edge_guard.cli.bench",
            SimpleNamespace(add_arguments=add_arguments, run=run),
        )

    return install


def test_help_names_every_command_and_is_quick():
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        done = run_command("--help")
        seconds.append(time.perf_counter() - began)
    assert done.returncode == 0
    assert set(cli.COMMANDS) <= set(done.stdout.split())
    assert min(seconds) < 0.5  # 0.04 s on an idle core; the promise is 0.15


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_of_a_command_imports_nothing_heavy(command):
    program = (
        "import sys; from edge_guard.cli.main import build_parser;"
        f"build_parser({command!r}); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not HEAVY & {name.split(".")[0] for name in done.stdout.split()}


def test_version():
    assert run_command("--version").stdout == f"edge-guard {edge_guard.__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["polish"], ["config", "check", "--loudly"]])
def test_usage_errors_are_one_line_with_a_remedy(arguments):
    done = run_command(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("edge-guard: ")
    assert "--help" in done.stderr


def test_an_error_becomes_its_exit_code_and_one_line(stand_in, capsys):
    def run(args):
        raise SourceError("no camera\nat 7", "plug it in")

    stand_in(run)
    assert cli.main(["bench"]) == 5
    out, err = capsys.readouterr()
    assert (out, err) == ("", "edge-guard: no camera at 7: plug it in [EG-SOURCE]\n")


def test_with_json_an_error_is_also_a_line_on_stdout(stand_in, capsys):
    def run(args):
        raise SourceError("no camera", "plug it in")

    stand_in(run)
    assert cli.main(["bench", "--json"]) == 5
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "type": "error",
        "code": "EG-SOURCE",
        "problem": "no camera",
        "remedy": "plug it in",
        "exit_code": 5,
    }
    assert err == "edge-guard: no camera: plug it in [EG-SOURCE]\n"


def test_exit_codes_are_those_of_the_error_tree():
    def tree(kind):
        return {kind.__name__: kind.exit_code} | {
            name: code for child in kind.__subclasses__() for name, code in tree(child).items()
        }

    codes = tree(EdgeGuardError)
    assert {codes[name] for name in codes} == {1, 2, 3, 4, 5, 6, 7}
    assert codes["BundleError"] == codes["ModelError"] == codes["CardError"] == 3
    assert codes["BrokerError"] == codes["StoreError"] == 6


def test_interrupt_gives_130(stand_in):
    def run(args):
        raise KeyboardInterrupt

    stand_in(run)
    assert cli.main(["bench"]) == 130


def test_a_reader_that_goes_away_ends_the_command_quietly():
    program = (
        "import sys; from types import SimpleNamespace as N; from edge_guard.cli import main as m\n"
        "from edge_guard.cli.output import Output\n"
        "def run(args):\n"
        "    while True: Output(json=False).text('x' * 1000)\n"
        "sys.modules['edge_guard.cli.bench'] = N(add_arguments=lambda p: None, run=run)\n"
        "sys.exit(m.main(['bench']))"
    )
    with subprocess.Popen(
        [sys.executable, "-P", "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=60) == 141
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    ("flags", "level"), [([], "WARNING"), (["-v"], "INFO"), (["-vv"], "DEBUG"), (["-vvv"], "DEBUG")]
)
def test_verbose_sets_the_level_of_the_log(stand_in, monkeypatch, flags, level):
    chosen = {}
    monkeypatch.setattr(logging, "basicConfig", chosen.update)
    stand_in(lambda args: 0)
    assert cli.main(["bench", *flags]) == 0
    assert logging.getLevelName(chosen["level"]) == level
    assert chosen["stream"] is sys.stderr


def test_output_is_json_or_text_never_both(capsys):
    Output(json=True).text("for people")
    Output(json=True).record({"type": "x", "n": 1})
    assert capsys.readouterr().out == '{"type":"x","n":1}\n'
    Output(json=False).record({"type": "x"})
    Output(json=False).text("for people", color="red")
    assert capsys.readouterr().out == "for people\n"


def test_colors_and_bar_only_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    output = Output(json=False)
    output.text("bad", color="red")
    assert terminal.getvalue() == "\033[31mbad\033[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert Output(json=False).paint("bad", "red") == "bad"

    bar = Terminal()
    Progress(bar)("reading", 1, 4)
    assert "\r" in bar.getvalue()
    assert "█" in bar.getvalue()


def test_progress_without_a_terminal_is_one_plain_line_a_stage():
    stream = io.StringIO()
    progress = Progress(stream)
    for done in range(1, 101):
        progress("reading", done, 100)
    progress("fitting", 2, 2)
    lines = stream.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "reading 100/100 (100%)",
        "fitting 2/2 (100%)",
    ]
    assert os.linesep not in "".join(lines)


def test_progress_of_nothing_is_done():
    stream = io.StringIO()
    Progress(stream)("reading", 0, 0)
    assert stream.getvalue().startswith("reading 0/0 (100%)")
