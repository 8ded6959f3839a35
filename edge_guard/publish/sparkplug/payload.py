"""Sparkplug B payloads: metrics as the specification's chapter 6 lays them out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from edge_guard.publish.sparkplug.wire import bytes_field, double_field, fields, varint_field


class DataType(IntEnum):
    """Types of metrics that are used here, by their numbers in the specification."""

    INT64 = 4
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13


Scalar = int | float | bool | str | None


@dataclass(frozen=True, slots=True)
class Value:
    """What a metric says, and its type; None is null. DATETIME is ms since 1970, UTC."""

    type: DataType
    value: Scalar


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a payload.

    Attributes
    ----------
    value : Value
    timestamp_ms : int
        When it was so; since 1970, UTC.
    name : str or None
        In births, and where there is no alias.
    alias : int or None
    with_type : bool
        Whether the data type is told: in births.
    historical : bool
        It was so while nobody listened, and may not be so now.
    """

    value: Value
    timestamp_ms: int
    name: str | None = None
    alias: int | None = None
    with_type: bool = False
    historical: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """One metric of a command: its name or alias, and its value if that is true or false."""

    name: str | None
    alias: int | None
    boolean: bool | None


def encode_payload(metrics: Iterable[Metric], timestamp_ms: int, sequence: int | None) -> bytes:
    """Return the payload.

    Parameters
    ----------
    metrics : iterable of Metric
    timestamp_ms : int
        When it is sent; of a will, when it was left. Since 1970, UTC.
    sequence : int or None
        0 to 255; None in deaths of edge nodes.
    """
    parts = [varint_field(1, timestamp_ms)]
    parts += [bytes_field(2, _metric(metric)) for metric in metrics]
    if sequence is not None:
        parts.append(varint_field(3, sequence))
    return b"".join(parts)


def decode_command(payload: bytes) -> list[Written]:
    """Return the metrics of a command (NCMD); what is not needed here is passed over.

    Raises
    ------
    ValueError
        It is no Sparkplug payload.
    """
    return [_written(value) for number, value in fields(payload) if number == 2]


def _metric(metric: Metric) -> bytes:
    parts = []
    if metric.name is not None:
        parts.append(bytes_field(1, metric.name.encode()))
    if metric.alias is not None:
        parts.append(varint_field(2, metric.alias))
    parts.append(varint_field(3, metric.timestamp_ms))
    if metric.with_type:
        parts.append(varint_field(4, metric.value.type))
    if metric.historical:
        parts.append(varint_field(5, 1))
    parts.append(_value(metric.value))
    return b"".join(parts)


def _value(value: Value) -> bytes:
    content = value.value
    if content is None:
        return varint_field(7, 1)
    if value.type == DataType.STRING:
        return bytes_field(15, str(content).encode())
    if value.type == DataType.DOUBLE:
        return double_field(13, float(content))
    if value.type == DataType.BOOLEAN:
        return varint_field(14, bool(content))
    return varint_field(11, int(content))


def _written(metric: int | bytes) -> Written:
    if not isinstance(metric, bytes):
        raise ValueError("a metric is no message")
    found = dict(fields(metric))
    name, alias, boolean = found.get(1), found.get(2), found.get(14)
    return Written(
        name.decode() if isinstance(name, bytes) else None,
        alias if isinstance(alias, int) else None,
        bool(boolean) if isinstance(boolean, int) else None,
    )
