"""What a configuration must keep beyond the types of its keys: names, pairs, files that exist.

Rules read the parsed document, not the structs, so that they speak even where a key has a wrong
type; of such values they say nothing, the types have said it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path

from edge_guard.config.times import minutes_of_week
from edge_guard.toml_reader import Document, Key, Problem


def device_problems(document: Document) -> Iterator[Problem]:
    """Yield what is wrong in a device's configuration beyond types."""
    streams = document.get(("stream",))
    if streams == []:
        yield document.problem(("stream",), "is empty: a device needs at least one [[stream]]")
    seen: dict[str, int] = {}
    for position in range(len(streams) if isinstance(streams, list) else 0):
        at: Key = ("stream", position)
        name = document.text((*at, "name"))
        if name is not None and seen.setdefault(name, position) != position:
            first = document.lines.get(("stream", seen[name], "name"))
            reason = f"{name!r} is already the name of the stream on line {first}"
            yield document.problem((*at, "name"), reason)
        yield from _guarded_by(document, at)
        yield from _trigger(document, (*at, "trigger"))
        if document.get((*at, "watch")) is True and document.get((*at, "loop")) is True:
            reason = "does not fit watch = true: a watched folder has no end"
            yield document.problem((*at, "loop"), reason)
    yield from _alarms_named_twice(document)
    yield from _trusted_keys(document)
    yield from mqtt_problems(document)


def _guarded_by(document: Document, at: Key) -> Iterator[Problem]:
    """Yield what is wrong with the bundle or products of one stream."""
    products = document.get((*at, "product"))
    bundle = (*at, "bundle")
    if not isinstance(products, list):
        yield from _missing_file(document, bundle)
        if document.get(bundle) is None and products is None and document.get(at) is not None:
            yield document.problem(bundle, "is missing")
        return
    if document.get(bundle) is not None:
        yield document.problem(bundle, "does not fit [[stream.product]]: each has its own bundle")
    seen: set[str] = set()
    starts: dict[int, str] = {}
    ways = [way for way in ("parts", "times") if any(_list(p, way) for p in products)]
    for position, product in enumerate(products):
        here: Key = (*at, "product", position)
        yield from _missing_file(document, (*here, "bundle"))
        name = document.text((*here, "name")) or ""
        if name in seen:
            yield document.problem((*here, "name"), f"{name!r} is a product of the stream already")
        seen.add(name)
        yield from _chosen_by(document, here, ways, starts)
        if "parts" in ways and not _list(product, "parts"):
            reason = "is missing: the stream's other products are known by their part ids"
            yield document.problem((*here, "parts"), reason)


def _chosen_by(
    document: Document, at: Key, ways: list[str], starts: dict[int, str]
) -> Iterator[Problem]:
    """Yield where two ways to choose a product meet, or two products begin at once."""
    product = document.get(at)
    if len(ways) > 1 and _list(product, "times"):
        reason = "does not fit parts: either the part id names the product, or the time does"
        yield document.problem((*at, "times"), reason)
    for text in _list(product, "times"):
        try:
            minutes = minutes_of_week(text)
        except (ValueError, AttributeError):
            continue  # the types have said it
        name = str(product.get("name"))
        for minute in minutes:
            other = starts.setdefault(minute, name)
            if other != name:
                reason = f"{text!r} is when {other!r} begins, too"
                yield document.problem((*at, "times"), reason)
                break


def _list(table: object, key: str) -> list[str]:
    value = table.get(key) if isinstance(table, dict) else None
    return value if isinstance(value, list) else []


def _trigger(document: Document, at: Key) -> Iterator[Problem]:
    """Yield keys of the other kind of trigger, and the one that is missing."""
    kind = document.text((*at, "kind"))
    unfit = {
        "mqtt": ("max_gap_seconds",),
        "hardware": ("topic", "offset_seconds", "deadline_seconds"),
    }
    for key in unfit.get(kind or "", ()):
        if document.get((*at, key)) is not None:
            yield document.problem((*at, key), f"does not fit kind = {kind!r}")
    if kind == "mqtt" and document.get((*at, "topic")) is None:
        yield document.problem((*at, "topic"), "is missing: where are the triggers published?")


def _alarms_named_twice(document: Document) -> Iterator[Problem]:
    alarms = document.get(("alarm",))
    seen: set[str] = set()
    for position in range(len(alarms) if isinstance(alarms, list) else 0):
        name = document.text(("alarm", position, "name"))
        if name in seen:
            yield document.problem(("alarm", position, "name"), f"{name!r} is configured twice")
        seen.add(name or "")


def _trusted_keys(document: Document) -> Iterator[Problem]:
    at: Key = ("device", "trusted_keys")
    keys = document.get(at)
    if keys == []:
        reason = "is empty, so that no bundle could be used: name a key, or leave it out"
        yield document.problem(at, reason)
    for position in range(len(keys) if isinstance(keys, list) else 0):
        yield from _missing_file(document, (*at, position))


def mqtt_problems(document: Document) -> Iterator[Problem]:
    """Yield what is wrong in an ``[mqtt]`` table beyond types."""
    yield from _missing_file(document, ("mqtt", "password_file"))
    if document.text(("mqtt", "password_file")) and not document.text(("mqtt", "username")):
        yield document.problem(("mqtt", "password_file"), "needs username beside it")
    yield from _missing_file(document, ("mqtt", "tls", "ca_file"))
    yield from _certificate(document, ("mqtt", "tls"))


def collector_problems(document: Document) -> Iterator[Problem]:
    """Yield what is wrong in a collector's configuration beyond types."""
    yield from mqtt_problems(document)
    yield from _webhooks(document)
    yield from _certificate(document, ("web",))
    proxies = document.get(("web", "trusted_proxies"))
    for position, proxy in enumerate(proxies if isinstance(proxies, list) else ()):
        try:
            ipaddress.ip_network(proxy)
        except ValueError:
            reason = f"{proxy!r} is no IP address or network: write 10.0.0.5 or 10.0.0.0/24"
            yield document.problem(("web", "trusted_proxies", position), reason)


def _webhooks(document: Document) -> Iterator[Problem]:
    webhooks = document.get(("webhook",))
    seen: set[str] = set()
    for position in range(len(webhooks) if isinstance(webhooks, list) else 0):
        url = document.text(("webhook", position, "url"))
        if url in seen:
            yield document.problem(("webhook", position, "url"), f"{url!r} is configured twice")
        seen.add(url or "")
        yield from _missing_file(document, ("webhook", position, "secret_file"))


def _certificate(document: Document, table: Key) -> Iterator[Problem]:
    pair = ("certificate_file", "key_file")
    for key, other in (pair, pair[::-1]):
        at = (*table, key)
        yield from _missing_file(document, at)
        if document.text(at) and not document.text((*table, other)):
            yield document.problem(at, f"needs {other} beside it")


def _missing_file(document: Document, at: Key) -> Iterator[Problem]:
    name = document.text(at)
    if document.elsewhere and Path(name or "").is_absolute():
        return
    if name and not (path := document.path.parent / name).is_file():
        yield document.problem(at, f"there is no file {path}")
