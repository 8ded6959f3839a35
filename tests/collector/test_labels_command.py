"""``edge-guard labels``: out of one collector and into another, by address and by database."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from brokers import Listener, Mosquitto
from plant import Plant
from reports import Reporter, Sent, picture
from resender import wait_until
from running import Running

from edge_guard.cli.main import main
from edge_guard.collector.judgements import Judgements
from edge_guard.collector.parse import parse
from edge_guard.collector.pictures import PictureStore
from edge_guard.collector.queries import Queries
from edge_guard.collector.review.exchange import Given, labelled, take_in
from edge_guard.collector.review.label_file import read_labels, write_labels
from edge_guard.collector.store import Store
from edge_guard.types import Verdict

ANSWERS = [("right", None), ("wrong", "scratch"), ("wrong", '=1+1, "quoted"\nline'), None]


def put(store: Store, *sent: Sent | None) -> None:
    messages = [parse(*one, "edge-guard/v1") for one in sent if one is not None]
    store.apply([message for message in messages if message is not None])


def filled(store: Store, *devices: Reporter) -> Judgements:
    """Store frames of each device, judged as ``ANSWERS`` say."""
    words, queries = Judgements(store, second_share=0.0), Queries(store.engine)
    for device in devices:
        for answer in ANSWERS:
            put(store, *device.event(picture(device.sequence)))
            event = queries.events(1)[0].id
            if answer is not None:
                words.add(event, answer[0], "Anna", answer[1])  # type: ignore[arg-type]
    return words


def collector(folder: Path) -> tuple[Path, Store]:
    """Return the settings and the store of a collector that does not run."""
    folder.mkdir()
    config = folder / "collector.toml"
    url = f"sqlite:///{folder / 'c.sqlite'}"
    config.write_text(f'[store]\nurl = "{url}"\nframes = "{folder / "frames"}"\n')
    return config, Store(url, PictureStore(folder / "frames"))


def said(store: Store) -> list[tuple[str, int, str, str | None]]:
    return sorted((one.device, one.sequence, one.answer, one.label) for one in labelled(store))


def test_labels_go_from_one_collector_to_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source, store), (target, other) = collector(tmp_path / "a"), collector(tmp_path / "b")
    filled(store, Reporter("cam-1"), Reporter("cam-2"))
    put(other, Reporter("cam-9").event()[0])  # so that events have other numbers
    for name in ("cam-2", "cam-1"):
        device = Reporter(name)
        put(other, *(device.event()[0] for _ in ANSWERS))
    file = tmp_path / "labels.csv"
    assert main(["labels", "export", str(source), "-o", str(file)]) == 0
    assert "6 labels written" in capsys.readouterr().out
    assert main(["labels", "import", str(file), str(target)]) == 0
    assert "6 labels stored, 0 known before" in capsys.readouterr().out
    assert said(other) == said(store)
    assert main(["labels", "import", str(file), str(target), "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert (counts["stored"], counts["unchanged"]) == (0, 6)
    assert main(["labels", "export", str(target)]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines(keepends=True)))
    assert {row["label"] for row in rows} == {"ok", "scratch", f"'{ANSWERS[2][1]}"}  # type: ignore[index]
    assert "command line" in rows[0]["who"]


@pytest.mark.parametrize(
    "words", ["=1+1", "+49", "-3", "@sum(A1)", "\t=2", "'=1", "''=1", "'tis", "a=b", "' =1"]
)
def test_words_are_no_formulas_in_a_spreadsheet_and_come_back_unharmed(
    tmp_path: Path, words: str
) -> None:
    _, store = collector(tmp_path / "a")
    put(store, Reporter("=cam").event()[0])
    Judgements(store).add(1, "wrong", "Anna", words)
    file = tmp_path / "labels.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        write_labels(labelled(store), out)
    with file.open(encoding="utf-8", newline="") as written:
        (row,) = csv.DictReader(written)
    assert not {value[:1] for value in row.values()} & set("=+-@\t\r")
    ((_, given),) = read_labels(file)
    assert (given.device, given.label) == ("=cam", words)


def test_labels_of_unknown_events_are_reported_by_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, store = collector(tmp_path / "a")
    device, withheld = Reporter("cam-1"), Reporter("cam-2")
    put(store, device.event()[0], withheld.event(label=None, verdict=Verdict.INVALID)[0])
    put(store, Reporter("cam-3").event()[0], Reporter("cam-3", line="line-9").event()[0])
    boot = device.boot
    file = tmp_path / "labels.csv"
    file.write_text(
        "device,event_id,label\n"
        f"cam-1,{boot}-1,scratch\ncam-1,{boot}-7,ok\ncam-2,{boot}-1,ok\ncam-3,{boot}-1,ok\n",
        "utf-8",
    )
    assert main(["labels", "import", str(file), str(config)]) == 2
    out = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in out[:3]] == [f"{file}:{n}" for n in (3, 4, 5)]
    assert "there is no such event" in out[0]
    assert "withheld" in out[1] or "no answer" in out[1]
    assert "fill in site and line" in out[2]
    assert out[3] == "1 labels stored, 0 known before, 3 not stored"
    assert said(store) == [("cam-1", 1, "wrong", "scratch")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ":1: the header lacks the columns"),
        ("device,sequence,label\n", ":1: the header lacks the columns"),
        ("event,who\n", ":1: the header has neither"),
        ("event,answer\n1,right\n2,perhaps\n", ":3: Invalid enum value 'perhaps'"),
        ("event,answer\nten,right\n", ":2: Expected `int"),
        ("event,answer\n,right\n", ":2: it names no event"),
        ("event,answer,label\n1,,\n", ":2: it says nothing"),
        ("device,event_id,label\ncam,boot,ok\n", ":2: "),
        (f"event,label\n1,{'x' * 129}\n", ":2: Expected `str` of length <= 128"),
        ('event,label\n1,"open\n', "is no CSV file"),
    ],
)
def test_a_file_with_a_wrong_line_is_refused_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, problem: str
) -> None:
    config, store = collector(tmp_path / "a")
    put(store, *(Reporter().event()[0] for _ in range(2)))
    file = tmp_path / "labels.csv"
    file.write_text(text)
    assert main(["labels", "import", str(file), str(config)]) == 2
    assert problem in capsys.readouterr().err
    assert said(store) == []


def test_what_stands_is_exchanged_on_both_databases(store: Store) -> None:
    device = Reporter()
    words = filled(store, device)
    (first, second, _) = labelled(store)
    assert [one.event for one in labelled(store, after=first.event, most=1)] == [second.event]
    assert (first.answer, first.label, first.model_label) == ("right", "ok", "ok")
    words.withdraw(words.of(second.event)[0].id, "Anna")
    assert len(labelled(store)) == 2
    given = Given(device=device.device, boot=device.boot, sequence=second.sequence, label="ok")
    assert take_in(store, words, [given], "Bo") == ["stored"]
    assert take_in(store, words, [given], "Cy") == ["unchanged"]
    assert take_in(store, words, [Given(event=10**6, answer="right")], "Bo") == ["unknown"]
    assert words.standing(second.event)[-1].answer == "right"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("labels")
    with (
        Mosquitto(folder) as broker,
        Running(folder, broker.port) as collector,
        Listener(broker.port) as sender,
    ):
        wait_until(lambda: collector.get("/api/health")["broker"]["state"] == "connected")
        device = Reporter("cam-1")
        plant = Plant(collector, sender, None)  # type: ignore[arg-type]
        plant.send(*(device.event()[0] for _ in range(3)))
        wait_until(lambda: len(collector.get("/api/events")["events"]) == 3)
        yield collector


def edge_guard(*words: str) -> Any:
    return main(["labels", *words])


def test_a_running_collector_is_asked_with_a_token(
    running: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = [row["id"] for row in running.get("/api/events")["events"]]
    file = tmp_path / "labels.csv"
    file.write_text("event,label\n" + "".join(f"{n},scratch\n" for n in numbers))
    made = ["token", "create", str(running.config), "--name", "lab", "--scope", "read,label"]
    assert main(["people", *made, "--json"]) == 0
    token = tmp_path / "token"
    token.write_text(json.loads(capsys.readouterr().out)["token"] + "\n")
    access = [running.url, "--token-file", str(token)]
    assert edge_guard("import", str(file), *access) == 0
    assert "3 labels stored" in capsys.readouterr().out
    assert edge_guard("export", *access) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [(row["label"], row["who"]) for row in rows] == [("scratch", "lab")] * 3
    made = ["token", "create", str(running.config), "--name", "eyes", "--scope", "read"]
    assert main(["people", *made, "--json"]) == 0
    token.write_text(json.loads(capsys.readouterr().out)["token"])
    assert edge_guard("import", str(file), *access) == 2
    assert "lacks the scope label" in capsys.readouterr().err
    token.write_text("not-a-token")
    assert edge_guard("export", *access) == 2
    assert "edge-guard people token create" in capsys.readouterr().err


def test_a_collector_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert edge_guard("export", "http://127.0.0.1:1") == 6
    assert "http://127.0.0.1:1 does not answer" in capsys.readouterr().err
    missing = str(tmp_path / "token")
    assert edge_guard("export", "http://127.0.0.1:1", "--token-file", missing) == 2
    assert "cannot be read" in capsys.readouterr().err
