"""Every message between device and collector: payload types, topics, encoding.

The identity of a stored message is (device, boot_id, sequence): ``sequence`` counts from 1 in each
boot and is taken inside the spool's transaction. A message with a picture counts as stored when
both it and its picture are. Wall time is for people: nothing is ordered or deduplicated by it.

A collector takes a sequence as done, and counts it in its receipts, when it is stored or when a
``Dropped`` message names it. What is stored wins: a report of a stored sequence changes nothing,
and a message that arrives after its report is stored. An event that arrives again with
``image_dropped`` waits for its picture no longer. What arrives again is in the next receipt again:
the device may not have seen the last one. Receipts are taken back by nobody: a device
forgets what they cover, so they are sent after the database commit only. Messages come in any
order; an alarm is as new as its (boot, sequence), whatever arrives last.
"""

from __future__ import annotations

from edge_guard.publish.messages.accuracy import AccuracyBasis, AccuracyCounts
from edge_guard.publish.messages.alarm import (
    USUAL_ALARMS,
    Alarm,
    DriftEvidence,
    IncidentState,
    IsaState,
    Moved,
    isa_state,
)
from edge_guard.publish.messages.command import (
    LONGEST_SHELVING_S,
    MOST_BUNDLE_BYTES,
    MOST_COMMAND_BYTES,
    Acknowledge,
    Action,
    Capture,
    ChangeProduct,
    Command,
    CommandId,
    InService,
    Name,
    OfferBundle,
    OutOfService,
    Reply,
    Shelve,
    Tighten,
    Unshelve,
)
from edge_guard.publish.messages.event import (
    HEAT_UNIT,
    MOST_DETECTIONS,
    MOST_HEAT_SIDE,
    MOST_RESEMBLED,
    MOST_RESEMBLED_BYTES,
    Event,
    FrameResult,
    HeatGrid,
    ImageReference,
    Resembled,
)
from edge_guard.publish.messages.receipt import BootReceipt, Dropped, Receipt
from edge_guard.publish.messages.stamp import SCHEMA_VERSION, Stamp, decode, encode
from edge_guard.publish.messages.state import State, StreamState
from edge_guard.publish.messages.summary import Moments, Summary
from edge_guard.publish.messages.topics import PREFIX, Topics

SpooledMessage = Event | FrameResult | Summary | Alarm | Reply | Dropped

__all__ = [
    "HEAT_UNIT",
    "LONGEST_SHELVING_S",
    "MOST_BUNDLE_BYTES",
    "MOST_COMMAND_BYTES",
    "MOST_DETECTIONS",
    "MOST_HEAT_SIDE",
    "MOST_RESEMBLED",
    "MOST_RESEMBLED_BYTES",
    "PREFIX",
    "SCHEMA_VERSION",
    "USUAL_ALARMS",
    "AccuracyBasis",
    "AccuracyCounts",
    "Acknowledge",
    "Action",
    "Alarm",
    "BootReceipt",
    "Capture",
    "ChangeProduct",
    "Command",
    "CommandId",
    "DriftEvidence",
    "Dropped",
    "Event",
    "FrameResult",
    "HeatGrid",
    "ImageReference",
    "InService",
    "IncidentState",
    "IsaState",
    "Moments",
    "Moved",
    "Name",
    "OfferBundle",
    "OutOfService",
    "Receipt",
    "Reply",
    "Resembled",
    "Shelve",
    "SpooledMessage",
    "Stamp",
    "State",
    "StreamState",
    "Summary",
    "Tighten",
    "Topics",
    "Unshelve",
    "decode",
    "encode",
    "isa_state",
]
