"""Times and identities."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from edge_guard.publish.messages import Dropped, decode, encode
from edge_guard.publish.stamp import clock_synchronised, new_boot_id, rfc3339, stamp


def test_a_time_is_utc_with_milliseconds() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(1_700_000_000_123_456_789) == "2023-11-14T22:13:20.123Z"


def test_a_stamp_is_now() -> None:
    fields = stamp("device", "boot")
    age = datetime.now(UTC) - datetime.fromisoformat(fields["wall_time"])
    assert timedelta(milliseconds=-1) <= age < timedelta(seconds=5)
    assert (fields["device"], fields["boot_id"]) == ("device", "boot")
    assert fields["clock_synchronised"] == clock_synchronised()


def test_boot_ids_differ() -> None:
    ids = {new_boot_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(one) == 12 for one in ids)


def test_no_message_is_refused_for_its_text() -> None:
    numbered = {**stamp("device", "boot"), "sequence": 1}
    loss = {"of_boot": "boot", "kind": "event", "cause": "caf\udce9", "sequences": ((1, 2),)}
    report = decode(encode(Dropped(**numbered, **loss, gist={"caf\udce9/é": 2})), Dropped)  # type: ignore[arg-type]
    assert (report.cause, report.gist, report.sequences) == ("caf?", {"caf?/é": 2}, ((1, 2),))
