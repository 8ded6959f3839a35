"""Sparkplug B payloads taken apart by Google's protobuf, after the specification's definition.

decode(payload).metrics[0].name
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_TYPES = {
    name: getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{name.upper()}")
    for name in ("uint32", "uint64", "float", "double", "bool", "string", "bytes", "message")
}
_METRIC = {
    1: "string name", 2: "uint64 alias", 3: "uint64 timestamp", 4: "uint32 datatype",
    5: "bool is_historical", 6: "bool is_transient", 7: "bool is_null",
    10: "uint32 int_value", 11: "uint64 long_value", 12: "float float_value",
    13: "double double_value", 14: "bool boolean_value", 15: "string string_value",
    16: "bytes bytes_value",
}  # fmt: skip
_PAYLOAD = {
    1: "uint64 timestamp", 2: "message metrics", 3: "uint64 seq", 4: "string uuid", 5: "bytes body",
}  # fmt: skip
_VALUES = range(10, 17)

DATA_TYPES = {4: "Int64", 10: "Double", 11: "Boolean", 12: "String", 13: "DateTime"}
"""Those of the specification's numbers that a device may use here."""


def _describe() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="sparkplug.proto", package="s", syntax="proto2")
    for name, definition in (("Metric", _METRIC), ("Payload", _PAYLOAD)):
        message = file.message_type.add(name=name)
        for number, words in definition.items():
            kind, field_name = words.split()
            field = message.field.add(name=field_name, number=number, type=_TYPES[kind], label=1)
            if kind == "message":
                field.type_name, field.label = ".s.Metric", 3
            if name == "Metric" and number in _VALUES:
                field.oneof_index = 0
        if name == "Metric":
            message.oneof_decl.add(name="value")
    return file


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_describe())
Payload: Any = message_factory.GetMessageClass(_pool.FindMessageTypeByName("s.Payload"))


def decode(payload: bytes) -> Any:
    """Return the message; DecodeError when it is none, AssertionError for fields nobody knows."""
    message = Payload()
    message.ParseFromString(payload)
    whole = Payload()
    whole.CopyFrom(message)
    whole.DiscardUnknownFields()
    assert whole.ByteSize() == len(payload), "unknown fields, or a longer encoding than needed"
    return message


def value_of(metric: Any) -> Any:
    """Return what a metric says; None where it is null."""
    field = metric.WhichOneof("value")
    assert (field is None) == metric.is_null, metric
    return None if field is None else getattr(metric, field)
