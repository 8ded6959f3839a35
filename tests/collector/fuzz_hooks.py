"""What schemathesis is told of the interface: a key is used for one request."""

from __future__ import annotations

import uuid
from typing import Any

import schemathesis


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """The same key with another body is refused, as it must be: take a new one for each."""
    is_negative = case.meta is not None and case.meta.generation.mode.is_negative
    if "Idempotency-Key" in (case.headers or {}) and not is_negative:
        case.headers["Idempotency-Key"] = uuid.uuid4().hex
