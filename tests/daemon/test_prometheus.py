"""``/metrics`` and ``/health``, read by prometheus_client's parser."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request
from pathlib import Path

import msgspec
import pytest
from brokers import Mosquitto, free_port
from devices import Counter, wait_until
from pretend import ACCEPTED, FLAGGED, TIMING, Pretender, device, write_pictures
from prometheus_client.parser import text_string_to_metric_families

from edge_guard.config import MetricsTable
from edge_guard.daemon import Daemon
from edge_guard.errors import ConfigError


def fetch(port: int, path: str) -> tuple[int, str, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read()


def samples(page: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    found = {}
    for family in text_string_to_metric_families(page.decode()):
        assert family.documentation
        assert family.type in ("counter", "gauge", "histogram"), family.name
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def test_metrics_and_health_of_a_running_device(broker: Mosquitto, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "in", ACCEPTED, FLAGGED, ACCEPTED)
    port = free_port()
    config = msgspec.structs.replace(
        device(tmp_path, broker.port, folder, watch=True), metrics=MetricsTable(port=port)
    )
    with Counter(broker.port):
        daemon = Daemon(config, open_inspector=Pretender, timing=TIMING)
        thread = threading.Thread(target=daemon.run)
        thread.start()
        wait_until(lambda: daemon.verdicts().total() == 3)
        wait_until(lambda: fetch(port, "/health")[0] == 200)
        wait_until(lambda: daemon.describe().streams[0].self_test != "")
        code, kind, page = fetch(port, "/metrics")
        found = samples(page)
        assert (code, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
        stream = ("stream", "s")
        assert found["edge_guard_verdicts_total", (stream, ("verdict", "accept"))] == 2
        assert found["edge_guard_reasons_total", (("guard", "fused"), stream)] == 1
        assert found["edge_guard_frame_latency_seconds_count", (stream,)] == 3
        assert found["edge_guard_frame_latency_seconds_bucket", (("le", "+Inf"), stream)] == 3
        assert found["edge_guard_stream_up", (stream,)] == 1
        assert found["edge_guard_self_test_passed", (stream,)] == 1
        assert found["edge_guard_messages_produced_total", ()] >= 1
        assert found["process_resident_memory_bytes", ()] > 1e6
        assert found["process_open_fds", ()] > 3
        assert json.loads(fetch(port, "/health")[2]) == {"state": "online", "causes": []}
        assert fetch(port, "/etc/passwd")[0] == 404
        with socket.create_connection(("127.0.0.1", port)) as silent:  # holds nobody up
            assert fetch(port, "/health")[0] == 200
            silent.sendall(b"\x00\xff\r\n\r\n")
        broker.stop()
        wait_until(lambda: fetch(port, "/health")[0] == 503)
        (cause, *_) = json.loads(fetch(port, "/health")[2])["causes"]
        assert cause
        broker.start()
        daemon.stop()
        thread.join(30)
    with pytest.raises(OSError, match="refused"):
        fetch(port, "/health")


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "in", ACCEPTED)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = msgspec.structs.replace(
            device(tmp_path, 1, folder), metrics=MetricsTable(port=port)
        )
        with pytest.raises(ConfigError, match=f"port {port}"):
            Daemon(config, open_inspector=Pretender)
    Daemon(config, open_inspector=Pretender).close()  # the spool was let go
