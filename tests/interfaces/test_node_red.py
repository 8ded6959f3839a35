"""The Node-RED flow: its form, and its functions run by Node on what a device really said."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from capturing import Traffic

FLOW: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "deploy" / "node-red" / "edge-guard.json").read_text()
)
NODES = {node["id"]: node for node in FLOW}
RUNNER = """
const [code, messages] = JSON.parse(require("fs").readFileSync(0, "utf8"));
const kept = {};
const context = { get: (key) => kept[key], set: (key, value) => { kept[key] = value; } };
const node = new Function("msg", "context", code);
process.stdout.write(JSON.stringify(messages.map((msg) => node(msg, context))));
"""


def subscribed(pattern: str, traffic: Traffic) -> list[tuple[str, bytes]]:
    heard = re.escape(pattern).replace(r"\+", "[^/]+")
    return [
        (topic, payload)
        for topic, payloads in traffic.topics.items()
        if re.fullmatch(heard, topic)
        for payload in payloads
    ]


def run(function: str, traffic: Traffic) -> tuple[list[dict[str, Any]], list[Any]]:
    """What went into a function of the flow, each message twice, and what came out."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the flow's functions are not run")
    (source,) = (n for n in FLOW if n["type"] == "mqtt in" and n["wires"] == [[function]])
    messages = [
        {"topic": topic, "payload": json.loads(payload)}
        for topic, payload in subscribed(source["topic"], traffic)
        for _ in range(2)
    ]
    done = subprocess.run(
        [node, "-e", RUNNER], input=json.dumps([NODES[function]["func"], messages]),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return messages, json.loads(done.stdout)


def test_wires_lead_to_nodes_of_the_flow() -> None:
    assert len(NODES) == len(FLOW)
    (tab,) = (node["id"] for node in FLOW if node["type"] == "tab")
    reached = {target for node in FLOW for wires in node.get("wires", ()) for target in wires}
    assert reached <= set(NODES)
    for node in FLOW:
        if node["type"] not in ("tab", "mqtt-broker"):
            assert node["z"] == tab
        if node["type"] == "function":
            assert len(node["wires"]) == node["outputs"]
        if node["type"] in ("function", "debug"):
            assert node["id"] in reached
        if node["type"] == "mqtt in":
            assert NODES[node["broker"]]["type"] == "mqtt-broker"


def test_every_subscription_hears_something(traffic: Traffic) -> None:
    topics = [node["topic"] for node in FLOW if node["type"] == "mqtt in"]
    assert topics
    for topic in topics:
        assert subscribed(topic, traffic), topic


def test_an_alarm_is_told_when_it_comes_and_when_it_goes(traffic: Traffic) -> None:
    _, told = run("alarm-news", traffic)
    raised = [pair[0]["payload"] for pair in told if pair and pair[0]]
    cleared = [pair[1]["payload"] for pair in told if pair and pair[1]]
    assert [text.split(" since ")[0] for text in raised].count("device s: frozen") == 1
    assert cleared.count("device s: frozen is over") == 1


def test_a_shelved_alarm_is_no_news(traffic: Traffic) -> None:
    shelved = Traffic(
        {
            topic: [
                json.dumps(json.loads(payload) | {"isa_state": "shelved"}).encode()
                for payload in payloads
            ]
            for topic, payloads in traffic.topics.items()
            if "/alarm/" in topic
        }
    )
    messages, told = run("alarm-news", shelved)
    assert messages
    assert told == [None] * len(messages)


def test_a_flagged_frame_is_told_once_with_its_reason(traffic: Traffic) -> None:
    messages, told = run("event-text", traffic)
    events = {message["payload"]["event_id"] for message in messages}
    texts = [message["payload"] for message in told if message]
    assert len(texts) == len(events)
    assert "device s: review: unlike the references" in texts


def test_a_device_that_goes_is_told_once(traffic: Traffic) -> None:
    _, told = run("state-text", traffic)
    texts = [message["payload"] for message in told if message]
    assert texts[-1] == "device: offline; stopped"
    assert len(texts) > 1
    assert all(before != after for before, after in pairwise(texts))
