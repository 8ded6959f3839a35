"""``edge-guard home-assistant``: let Home Assistant find a device."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge_guard import __version__


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Prints the retained message that makes a device, its cameras, alarms and last pictures "
        "appear in Home Assistant, or publishes or removes it at the device's broker."
    )
    parser.add_argument("device", type=Path, metavar="DEVICE.toml", help="the device's file")
    parser.add_argument(
        "--prefix", default="homeassistant", help="Home Assistant's discovery prefix"
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--publish", action="store_true", help="publish it, retained")
    action.add_argument("--remove", action="store_true", help="remove what was published")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    import msgspec

    from edge_guard.config import load_device_config
    from edge_guard.publish.home_assistant import announce, discovery, discovery_topic

    config = load_device_config(args.device)
    topic = discovery_topic(config, args.prefix)
    payload = msgspec.json.encode(discovery(config, __version__))
    if args.publish or args.remove:
        announce(config, topic, payload if args.publish else b"")
        print(f"{'published' if args.publish else 'removed'}: {topic}")
    else:
        print(topic)
        print(msgspec.json.format(payload, indent=2).decode())
    return 0
