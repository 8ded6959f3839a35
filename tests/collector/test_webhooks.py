"""Webhooks against a real receiver that takes, refuses, hangs, redirects, and comes back."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from brokers import Listener, Mosquitto, free_port
from receiver import KEY, SECRET, Receiver
from reports import Reporter
from resender import wait_until
from running import Running
from sqlalchemy import text, update

from edge_guard.collector.parse import parse
from edge_guard.collector.pictures import PictureStore
from edge_guard.collector.schema import outbox
from edge_guard.collector.store import Store
from edge_guard.collector.webhooks import deliveries as deliveries_module
from edge_guard.collector.webhooks.deliveries import Deliveries, Standing
from edge_guard.collector.webhooks.notices import KINDS
from edge_guard.collector.webhooks.outbox import Outbox
from edge_guard.collector.webhooks.post import post
from edge_guard.collector.webhooks.sender import LONGEST_WAIT_S, Sender, name_of, wait_s
from edge_guard.collector.webhooks.signature import read_key, signed
from edge_guard.config import WebhookTable, find_problems, load_collector_config
from edge_guard.config.webhook import WebhookEvent
from edge_guard.errors import ConfigError
from edge_guard.publish.messages import PREFIX

ALL = tuple(KINDS)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as started:
        yield started


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "secret"
    path.write_text(SECRET + "\n")
    return str(path)


class Wired:
    """A store whose news go to webhooks, and what delivers them."""

    def __init__(self, url: str, folder: Path, *webhooks: WebhookTable) -> None:
        self.store = Store(url, PictureStore(folder / "frames"), Outbox(webhooks))
        self.deliveries = Deliveries(self.store, "one")
        self.webhooks = webhooks
        self.sender = Sender(self.deliveries, webhooks, timeout_s=0.3)

    def put(self, *sent: tuple[str, bytes]) -> None:
        self.store.apply([m for one in sent if (m := parse(*one, PREFIX)) is not None])

    def waiting(self) -> int:
        return sum(self.deliveries.standing(webhook.url, "w").waiting for webhook in self.webhooks)

    def end(self) -> None:
        self.sender.stop()
        self.store.close()


@pytest.fixture
def wired(store_url: str, tmp_path: Path, receiver: Receiver, secret: str) -> Iterator[Wired]:
    made = Wired(
        store_url, tmp_path, WebhookTable(url=receiver.url, events=ALL, secret_file=secret)
    )
    yield made
    made.end()


def test_news_are_told_once_in_order_and_signed(wired: Wired, receiver: Receiver) -> None:
    device = Reporter()
    late = device.alarm("raised")
    device.sequence = 1
    raised = device.alarm("raised", isa_state="unacknowledged", incident="i1")
    again = device.alarm("raised", isa_state="unacknowledged")
    seen = device.alarm("raised", isa_state="acknowledged", acknowledged_by="Ada")
    wired.put(device.state(), raised, again, late, seen)
    wired.put(raised, seen)  # known
    wired.put(device.alarm("cleared", isa_state="normal"), device.state("offline"))
    wired.put(device.state("offline"), device.state("degraded"))
    wired.sender.start()
    wait_until(lambda: wired.waiting() == 0)
    assert receiver.kinds() == [
        "alarm.raised",
        "alarm.changed",
        "alarm.cleared",
        "device.silent",
        "device.back",
    ]
    assert all(one.is_signed() for one in receiver.got)
    assert not receiver.got[0].is_signed(KEY[::-1])
    assert len(set(receiver.ids())) == 5
    assert receiver.got[0].path == "/hook?plant=north"
    assert abs(int(receiver.got[0].headers["webhook-timestamp"]) - time.time()) < 60
    told = receiver.got[0].notice["data"]
    assert (told["site"], told["device"], told["device_id"]) == ("plant", "cam-1", 1)
    assert (told["stream"], told["alarm"], told["incident"]) == ("top", "illumination", "i1")
    assert receiver.got[1].notice["data"]["by"] == "Ada"


def test_a_batch_that_fails_tells_nothing(wired: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wired.store.pictures, "put_all", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        wired.put(Reporter().alarm("raised"))
    assert wired.waiting() == 0


def test_each_webhook_is_told_what_it_asked_for(
    store_url: str, tmp_path: Path, receiver: Receiver, secret: str
) -> None:
    silent = f"http://127.0.0.1:{free_port()}/"
    wired = Wired(
        store_url,
        tmp_path,
        WebhookTable(url=silent, events=("alarm.raised",), secret_file=secret),
        WebhookTable(url=receiver.url, events=("alarm.cleared",), secret_file=secret),
    )
    device = Reporter()
    wired.put(device.alarm("raised"), device.alarm("cleared"))
    wired.sender.start()
    wait_until(lambda: receiver.kinds() == ["alarm.cleared"])  # the other one holds it not up
    wait_until(lambda: "cannot be reached" in wired.sender.standing()[0].trouble)
    assert (wired.sender.standing()[0].waiting, wired.sender.standing()[0].dead) == (1, 0)
    wired.end()


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_receiver_that_fails_hangs_and_recovers_misses_nothing(
    wired: Wired, receiver: Receiver
) -> None:
    device = Reporter()
    receiver.status = 500
    wired.put(device.alarm("raised"), device.alarm("cleared"))
    said: list[str] = []
    wired.sender.start(said.append)
    wait_until(lambda: len(receiver.got) == 1)
    wait_until(
        lambda: said == [f"{name_of(receiver.url, 1)} takes none (answered 500), 2 notices wait"]
    )
    receiver.hang.clear()
    receiver.status = 204
    wait_until(lambda: "no answer" in wired.sender.standing()[0].trouble)
    receiver.hang.set()
    wait_until(lambda: wired.waiting() == 0)
    ids = list(dict.fromkeys(receiver.ids()))
    assert len(ids) == 2
    assert receiver.ids()[-1] == ids[1]  # nothing passed the first one
    assert wired.sender.standing()[0].trouble == ""
    wait_until(lambda: said[-1] == "")


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_one_notice_that_is_refused_holds_up_no_other(wired: Wired, receiver: Receiver) -> None:
    device = Reporter()
    receiver.status = 422
    wired.put(device.alarm("raised"))
    wired.sender.start()
    wait_until(lambda: wired.sender.standing()[0].trouble == "answered 422")
    wired.put(device.alarm("cleared"))
    wait_until(lambda: "alarm.cleared" in receiver.kinds())
    receiver.status = 200
    wait_until(lambda: wired.waiting() == 0)


def test_what_nobody_takes_is_given_up_and_stays_to_be_seen(
    wired: Wired, receiver: Receiver
) -> None:
    device, url = Reporter(), wired.webhooks[0].url
    wired.put(device.alarm("raised"))
    older(wired, 25)
    wired.put(device.alarm("cleared"))
    assert wired.deliveries.tidy() == 1
    known = wired.deliveries.standing(url, "w")
    assert (known.waiting, known.dead) == (1, 1)
    said: list[str] = []
    wired.sender.start(said.append)
    wait_until(lambda: receiver.kinds() == ["alarm.cleared"])
    wait_until(lambda: said == [f"1 notices for {name_of(url, 1)} were given up"])
    assert wired.sender.again() == 1
    wait_until(lambda: receiver.kinds() == ["alarm.cleared", "alarm.raised"])
    assert wired.sender.forget() == 0


def test_what_is_said_of_a_webhook_keeps_its_secret(
    store_url: str, tmp_path: Path, secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    urls = [f"{nobody}/services/s3cret?key=s3cret", f"{nobody}/s3cret\x7f"]
    hooks = [WebhookTable(url=url, events=ALL, secret_file=secret) for url in urls]
    made = Wired(store_url, tmp_path, *hooks)
    said: list[str] = []
    standing: list[Standing] = []
    made.put(Reporter().alarm("raised"))
    made.sender.start(said.append)
    try:
        wait_until(lambda: "webhook 1" in "".join(said) and "webhook 2" in "".join(said))
        standing = made.sender.standing()
        with made.store.writing() as connection:
            connection.execute(text("ALTER TABLE outbox RENAME TO away"))
        wait_until(lambda: "cannot be read" in caplog.text)
    finally:
        if standing:
            with made.store.writing() as connection:
                connection.execute(text("ALTER TABLE away RENAME TO outbox"))
        made.end()
    assert [one.name for one in standing] == [f"{nobody} (webhook 1)", f"{nobody} (webhook 2)"]
    assert [one.waiting for one in standing] == [1, 1]
    assert "s3cret" not in f"{said}{standing}{caplog.text}"


def test_what_was_given_up_is_kept_for_a_month(wired: Wired) -> None:
    device, url = Reporter(), wired.webhooks[0].url
    wired.put(device.alarm("raised"))
    older(wired, 25)
    assert wired.deliveries.tidy() == 1
    older(wired, 28 * 24)
    assert wired.deliveries.tidy() == 0
    assert wired.deliveries.standing(url, "w").dead == 1
    older(wired, 2 * 24)
    wired.deliveries.tidy()
    assert wired.deliveries.standing(url, "w").dead == 0


def older(wired: Wired, hours: int) -> None:
    with wired.store.writing() as connection:
        connection.execute(update(outbox).values(told_ms=outbox.c.told_ms - hours * 3_600_000))


def test_of_too_many_the_oldest_are_given_up(wired: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries_module, "MOST_WAITING", 3)
    device = Reporter()
    for _ in range(5):
        wired.put(device.alarm("raised"), device.alarm("cleared"))
    assert wired.deliveries.tidy() == 7
    known = wired.deliveries.standing(wired.webhooks[0].url, "w")
    assert (known.waiting, known.dead) == (3, 7)


def test_two_collectors_never_send_one_notice_at_once(wired: Wired) -> None:
    device = Reporter()
    for _ in range(10):
        wired.put(device.alarm("raised"), device.alarm("cleared"))
    others = [Deliveries(wired.store, name) for name in ("one", "two")]
    claimed: list[int] = []

    def take(deliveries: Deliveries) -> None:
        while (notice := deliveries.claim(wired.webhooks[0].url)) or len(claimed) < 20:
            if notice:
                claimed.append(notice.id)

    threads = [threading.Thread(target=take, args=(one,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(set(claimed))
    others[0].begin()  # started again after it was killed: its claims, and only those
    assert others[0].claim(wired.webhooks[0].url) is not None
    assert len(set(claimed)) == 20


def test_waits_double_up_to_a_bound_and_differ() -> None:
    for attempts, longest in ((1, 1.0), (2, 2.0), (5, 16.0), (50, LONGEST_WAIT_S)):
        waits = [wait_s(attempts) for _ in range(200)]
        assert longest / 2 <= min(waits) < max(waits) <= longest
        assert len(set(waits)) > 100


def test_the_signature_is_that_of_standard_webhooks() -> None:
    # The example of the reference implementations' own tests.
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.status = 307
    receiver.answer_headers = {"Location": receiver.url}
    reached = post(receiver.url, b"{}", {"webhook-id": "m"})
    assert (reached.taken, reached.alive, len(receiver.got)) == (False, True, 1)
    assert "redirects are not followed" in reached.trouble


def test_who_wants_to_be_left_alone_is(receiver: Receiver) -> None:
    receiver.status, receiver.answer_headers = 503, {"Retry-After": "7"}
    assert post(receiver.url, b"{}", {"webhook-id": "m"}).retry_after_s == 7.0
    receiver.answer_headers = {"Retry-After": "9" * 30}
    assert post(receiver.url, b"{}", {"webhook-id": "m"}).retry_after_s == 3600.0


def test_an_answer_that_never_ends_is_cut_off(receiver: Receiver) -> None:
    receiver.drip = True
    reached = post(receiver.url, b"{}", {"webhook-id": "m"}, timeout_s=0.3)
    assert (reached.taken, reached.alive) == (False, False)
    assert "no answer in 0.3 s" in reached.trouble


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://nowhere.invalid/", "http://[/"])
def test_a_receiver_that_is_not_there_is_told_of(url: str) -> None:
    reached = post(url, b"{}", {}, timeout_s=2.0)
    assert not reached.taken
    assert reached.trouble


@pytest.mark.parametrize("words", ["", "not base64!", "c2hvcnQ=", "x" * 400])
def test_a_secret_that_is_none_is_refused(tmp_path: Path, words: str) -> None:
    path = tmp_path / "secret"
    path.write_text(words)
    with pytest.raises(ConfigError, match="openssl rand -base64 32"):
        read_key(str(path))
    with pytest.raises(ConfigError, match="holds no key"):
        read_key(str(tmp_path / "missing"))


def test_the_configuration_is_checked(tmp_path: Path) -> None:
    assert set(WebhookEvent.__args__) == set(KINDS)  # type: ignore[attr-defined]
    (tmp_path / "key").write_text(SECRET)
    hook = '[[webhook]]\nurl = "https://mes.plant.example/hook"\nsecret_file = "key"\n'
    config = tmp_path / "collector.toml"
    config.write_text("[web]\nport = 1\n" + hook)
    (loaded,) = load_collector_config(config).webhook
    assert loaded.secret_file == str(tmp_path / "key")
    for wrong, words in (
        (hook + hook, "configured twice"),
        (hook.replace("https", "ftp"), "no address to post to"),
        (hook.replace("mes.", "user:password@mes."), "no address to post to"),
        (hook.replace('"key"', '"lost"'), "there is no file"),
        (hook + 'events = ["alarm.rung"]\n', "alarm.rung"),
    ):
        config.write_text("[web]\nport = 1\n" + wrong)
        assert any(words in one.sentence("f") for one in find_problems(config)), wrong


def test_kill_9_between_commit_and_delivery_loses_nothing(
    broker: Mosquitto, tmp_path: Path, receiver: Receiver, secret: str
) -> None:
    device = Reporter()
    collector = Running(tmp_path, broker.port)
    with collector.config.open("a") as file:
        file.write(f'[[webhook]]\nurl = "{receiver.url}"\nsecret_file = "{secret}"\n')
    receiver.hang.clear()
    with collector, Listener(broker.port) as line:
        wait_until(lambda: collector.get("/api/health")["broker"]["state"] == "connected")
        line.publish(*device.alarm("raised"))
        wait_until(lambda: receiver.got)  # it is claimed, sent, and not answered
        line.publish(*device.alarm("cleared"))
        wait_until(lambda: collector.get("/api/devices")[0]["stored"] == 2)
        assert collector.get("/api/health")["webhooks"][0]["waiting"] == 2
        collector.kill()
        receiver.hang.set()
        collector.start()
        wait_until(lambda: receiver.kinds()[-1] == "alarm.cleared")
        wait_until(lambda: collector.get("/api/health")["webhooks"][0]["waiting"] == 0)
        assert receiver.kinds() == ["alarm.raised", "alarm.raised", "alarm.cleared"]
        assert receiver.ids()[0] == receiver.ids()[1]
