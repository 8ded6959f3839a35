"""``edge-guard people``, on a collector's database."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from edge_guard.cli.main import main

PASSWORD = "correct horse battery"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "collector.toml"
    path.write_text('[store]\nurl = "sqlite:///c.sqlite"\nframes = "frames"\n')
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    return path


def people(config: Path, action: str, *words: str) -> int:
    return main(["people", action, str(config), *words])


def add(config: Path, name: str, role: str) -> int:
    file = str(config.parent / "password")
    return people(config, "add", name, "--role", role, "--password-file", file)


def test_people_are_added_listed_changed_and_removed(config: Path, capsys) -> None:
    assert add(config, "Ada", "engineer") == 0
    assert add(config, "Bob", "viewer") == 0
    assert people(config, "role", "bob", "--role", "operator") == 0
    capsys.readouterr()
    assert people(config, "list", "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["name"], row["role"]) for row in rows] == [
        ("Ada", "engineer"),
        ("Bob", "operator"),
    ]
    assert people(config, "remove", "Bob") == 0
    assert people(config, "remove", "Ada") == 0
    assert "open to this machine" in capsys.readouterr().out
    assert people(config, "trail") == 0
    out = capsys.readouterr().out
    assert "person.role  Bob, before viewer, role operator" in out
    assert "every entry fits" in out
    assert PASSWORD not in (config.parent / "c.sqlite").read_bytes().decode("latin-1")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("add", "Ada", "--role", "viewer"), "there is Ada already"),
        (("add", "ＡＤＡ", "--role", "viewer"), "there is Ada already"),
        (("add", " x", "--role", "viewer"), "cannot be a name"),
        (("add", "a\nb", "--role", "viewer"), "cannot be a name"),
        (("add", "x" * 65, "--role", "viewer"), "cannot be a name"),
        (("add", "Eve", "--role", "boss"), "boss"),
        (("role", "Eve", "--role", "viewer"), "there is nobody called 'Eve'"),
        (("role", "Ada", "--role", "viewer"), "the only engineer"),
        (("remove", "Ada"), "the only engineer"),
        (("password", "Eve"), "there is nobody called 'Eve'"),
    ],
)
def test_what_cannot_be_done_is_said_with_a_remedy(config: Path, capsys, words, says) -> None:
    add(config, "Ada", "engineer")
    add(config, "Bob", "viewer")
    more = ("--password-file", str(config.parent / "password"))
    needs = words[0] in ("add", "password")
    assert people(config, *words, *(more if needs else ())) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("password", ["short", "", "a" * 12, "Ada-12345", "x" * 257])
def test_weak_passwords_are_refused(config: Path, capsys, password) -> None:
    (config.parent / "password").write_text(password)
    assert add(config, "Ada", "engineer") == 2
    assert "choose a longer one" in capsys.readouterr().err


def test_without_a_terminal_a_password_needs_a_file(config: Path, capsys) -> None:
    assert people(config, "add", "Ada", "--role", "viewer") == 2
    assert "--password-file" in capsys.readouterr().err


def test_tokens_are_created_once_listed_and_revoked(config: Path, capsys) -> None:
    def token(what: str, *words: str) -> int:
        return main(["people", "token", what, str(config), *words])

    assert token("create", "--name", "mes", "--scope", "label,read", "--days", "30") == 0
    made = capsys.readouterr().out.strip()
    assert made.startswith("egt_")
    assert made.encode() not in (config.parent / "c.sqlite").read_bytes()
    assert token("list", "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["name"], row["scopes"], row["used_ms"]) == ("mes", ["read", "label"], None)
    assert row["expires_ms"] - row["added_ms"] == 30 * 86_400_000
    for words in (("--name", "mes", "--scope", "read"), ("--name", "b", "--scope", "all"), ()):
        assert token("create", *words) == 2
    assert token("create", "--name", "c", "--scope", "read", "--days", "1e9") == 2
    assert token("revoke", "--name", "mes") == 0
    assert token("revoke", "--name", "mes") == 2


def test_a_trail_that_was_tampered_with_is_exit_code_6(config: Path, capsys) -> None:
    add(config, "Ada", "engineer")
    with sqlite3.connect(config.parent / "c.sqlite") as db:
        db.execute("DROP TRIGGER trail_no_update")
        db.execute("UPDATE trail SET who = 'nobody'")
    assert people(config, "trail") == 6
    assert "somebody changed the database" in capsys.readouterr().err
