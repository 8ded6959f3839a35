"""docs/interfaces.md says what is so: its command, its metrics, its users."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import msgspec
from conversation import Conversation
from test_schemas import validator_of

from edge_guard.config import SparkplugTable
from edge_guard.publish.messages import USUAL_ALARMS, Command, decode

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "interfaces.md").read_text()


def test_the_command_on_the_page_is_one() -> None:
    (text,) = re.findall(r"mosquitto_pub .*? -m '(.*?)'", PAGE, re.DOTALL)
    validator = validator_of("command")
    assert validator is not None
    validator.validate(json.loads(text))
    assert decode(text.encode(), Command).action.stream == "top"


def test_the_table_of_metrics_is_what_is_born(conversation: Conversation) -> None:
    rows = dict(re.findall(r"^\| (edge node|device) \| (.*) \|$", PAGE, re.MULTILINE))
    (own,) = conversation.sent("NBIRTH", step="appear")
    device = conversation.sent("DBIRTH", step="appear")[0]
    told = set(re.findall(r"`(.*?)`", rows["device"]))
    named = {name.replace("{name}", alarm) for name in told for alarm in USUAL_ALARMS}
    assert named == set(device.names)
    assert set(re.findall(r"`(.*?)`", rows["edge node"])) == set(own.names)


def test_the_sparkplug_table_on_the_page_is_taken() -> None:
    (text,) = re.findall(r"```toml\n(\[sparkplug\].*?)```", PAGE, re.DOTALL)
    msgspec.convert(tomllib.loads(text)["sparkplug"], SparkplugTable)


def test_the_users_on_the_page_are_those_of_the_access_control() -> None:
    acl = (ROOT / "deploy" / "mosquitto.acl").read_text()
    users = set(re.findall(r"^user (\w+)$", acl, re.MULTILINE))
    assert users == set(re.findall(r"^\| `(\w+)` \| (?:read|write)", PAGE, re.MULTILINE))
