"""The page over TLS: by itself, and behind a real nginx set up as the documentation says."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from brokers import free_port
from certificates import write_certificates
from resender import wait_until
from running import Running, command
from visitor import COOKIE, Visitor, people
from websockets.sync.client import connect

from edge_guard.config import load_collector_config
from edge_guard.errors import ConfigError

DOCUMENT = Path(__file__).parents[2] / "docs" / "people.md"
SOCKET = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    write_certificates(folder)
    return folder


@pytest.fixture(scope="module")
def trust(keys: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(keys / "ca.crt"))


def told(folder: Path, settings: str) -> Running:
    """A collector with one engineer and more settings of its page."""
    found = Running(folder, free_port())
    found.config.write_text(found.config.read_text().replace("[web]\n", f"[web]\n{settings}\n"))
    people(found.config, "add", str(found.config), "Ada", "--role", "engineer")
    return found


class OverTls(Running):
    """Waits for an answer over TLS."""

    context: ssl.SSLContext

    def get(self, path: str) -> Any:
        return Visitor(self.url.replace("http:", "https:"), context=self.context).get(path).json()


@pytest.fixture(scope="module")
def over_tls(
    tmp_path_factory: pytest.TempPathFactory, keys: Path, trust: ssl.SSLContext
) -> Iterator[Running]:
    files = f'certificate_file = "{keys}/broker.crt"\nkey_file = "{keys}/broker.key"'
    found = told(tmp_path_factory.mktemp("tls"), files)
    found.__class__ = OverTls
    found.context = trust  # type: ignore[attr-defined]
    with found:
        found.url = found.url.replace("http:", "https:")
        yield found


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with told(tmp_path_factory.mktemp("behind"), 'trusted_proxies = ["127.0.0.1"]') as found:
        yield found


def last_place(collector: Running) -> str:
    """From where the newest sign-in came, by the trail."""
    lines = people(collector.config, "trail", str(collector.config)).splitlines()
    return next(line.split()[-1] for line in reversed(lines) if "  sign-in  " in line)


def test_over_tls_the_cookie_is_bound_to_the_host(over_tls: Running, trust: Any) -> None:
    ada = Visitor(over_tls.url, context=trust)
    answer = ada.sign_in("Ada")
    assert answer.status == 303
    assert f"__Host-{COOKIE}" in ada.cookies
    assert "Secure" in answer.headers["Set-Cookie"]
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert ada.get("/api/devices").status == 200
    planted = Visitor(
        over_tls.url, cookies={COOKIE: ada.cookies[f"__Host-{COOKIE}"]}, context=trust
    )
    assert planted.get("/api/devices").status == 401
    insecure = over_tls.url.replace("https:", "http:")
    assert ada.post("/api/commands", {}, Origin=insecure).status == 403


def test_over_tls_the_cookie_is_taken_away_as_it_was_set(over_tls: Running, trust: Any) -> None:
    ada = Visitor(over_tls.url, context=trust)
    assert ada.sign_in("Ada").status == 303
    gone = ada.submit("/sign-out", {}).headers["Set-Cookie"]
    assert gone.startswith("__Host-")
    for word in ("Max-Age=0", "Secure", "Path=/"):
        assert word in gone


def test_what_strangers_say_of_their_address_is_not_believed(over_tls: Running, trust: Any) -> None:
    liar = Visitor(over_tls.url, {"X-Forwarded-For": "203.0.113.9"}, context=trust)
    assert liar.sign_in("Ada").status == 303
    assert last_place(over_tls) == "127.0.0.1"


def test_a_trusted_proxy_says_who_comes_and_how(behind: Running) -> None:
    headers = {"X-Forwarded-For": "198.51.100.7, 203.0.113.9", "X-Forwarded-Proto": "https"}
    ada = Visitor(behind.url, headers)
    answer = ada.submit("/sign-in", {"name": "Ada", "password": "x"}, Origin="https://evil.example")
    assert answer.status == 403
    own = {"Origin": behind.url.replace("http:", "https:")}
    fields = {"name": "Ada", "password": "correct horse battery"}
    answer = ada.submit("/sign-in", fields, **own)
    assert answer.status == 303
    assert "Secure" in answer.headers["Set-Cookie"]
    assert answer.headers["Strict-Transport-Security"]
    assert last_place(behind) == "203.0.113.9"  # what the nearest trusted proxy saw
    ada.headers["X-Forwarded-For"] = "2001:db8:1:2:3::4"
    assert ada.submit("/sign-in", fields, **own).status == 303
    assert last_place(behind) == "2001:db8:1:2::/64"


@contextmanager
def nginx(folder: Path, keys: Path, page: Running) -> Iterator[str]:
    """An nginx with the documented settings in front of a collector; gives its address."""
    port = free_port()
    (block,) = re.findall(r"```nginx\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    for documented, here in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("/etc/ssl/collector.crt", f"{keys}/broker.crt"),
        ("/etc/ssl/collector.key", f"{keys}/broker.key"),
        ("http://127.0.0.1:8080", page.url),
    ):
        assert documented in block
        block = block.replace(documented, here)
    kinds = "".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    settings = f"daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
    (folder / "nginx.conf").write_text(f"{settings}http {{ access_log off; {kinds}\n{block}}}\n")
    with subprocess.Popen(
        ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    ) as process:
        try:
            wait_until(lambda: answers(port), 15)
            yield f"https://127.0.0.1:{port}"
        finally:
            process.terminate()


def answers(port: int) -> bool:
    try:
        return Visitor(f"http://127.0.0.1:{port}").get("/").status == 400  # it wants TLS
    except OSError:
        return False


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_nginx_as_documented(
    behind: Running, keys: Path, trust: ssl.SSLContext, tmp_path: Path
) -> None:
    with nginx(tmp_path, keys, behind) as url:
        ada = Visitor(url, context=trust)
        assert ada.get("/events").headers["Location"] == "/sign-in?next=%2Fevents"
        answer = ada.sign_in("Ada")
        assert answer.status == 303
        assert "Secure" in answer.headers["Set-Cookie"]
        assert ada.get("/api/devices").status == 200
        assert ada.get("/").status == 200
        cookie = "; ".join(f"{name}={value}" for name, value in ada.cookies.items())
        with connect(
            url.replace("https", "wss") + SOCKET,
            ssl=trust,
            additional_headers={"Cookie": cookie, "Origin": url},
        ) as socket:
            assert socket.recv(timeout=10).startswith("0{")
        assert ada.submit("/sign-out", {}).status == 303


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ('certificate_file = "note.txt"', "needs key_file beside it"),
        ('certificate_file = "x.crt"\nkey_file = "note.txt"', "there is no file"),
        ('trusted_proxies = ["proxy.plant"]', "is no IP address or network"),
        ("trusted_proxies = [7]", "trusted_proxies"),
        ('sign_in = "no"', "sign_in"),
        ("idle_minutes = 1", "idle_minutes"),
    ],
)
def test_settings_that_cannot_be_used_are_named(tmp_path: Path, settings: str, says: str) -> None:
    (tmp_path / "note.txt").write_text("no certificate")
    (tmp_path / "c.toml").write_text(f"[store]\n[web]\n{settings}\n")
    with pytest.raises(ConfigError, match=says):
        load_collector_config(tmp_path / "c.toml")


def test_a_file_that_is_no_certificate_is_exit_code_2(tmp_path: Path) -> None:
    collector = Running(tmp_path, free_port())
    (tmp_path / "note.txt").write_text("no certificate")
    files = '[web]\ncertificate_file = "note.txt"\nkey_file = "note.txt"\n'
    collector.config.write_text(collector.config.read_text().replace("[web]\n", files))
    done = subprocess.run(
        command(collector.config), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "cannot be used" in done.stderr
    assert done.stderr.count("\n") == 1
