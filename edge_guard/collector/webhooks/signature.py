"""Who sent a notice: HMAC-SHA256 over id, time and body, after Standard Webhooks 1.0.

    signature = base64( HMAC-SHA256( key, "{id}.{timestamp}.{body}" ) )

sent as ``webhook-signature: v1,SIGNATURE`` beside ``webhook-id`` and ``webhook-timestamp`` (seconds
since the Unix epoch). A receiver computes the same and refuses what differs or is minutes old.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from hashlib import sha256
from pathlib import Path

from edge_guard.errors import ConfigError

SHORTEST_BYTES, LONGEST_BYTES = 24, 64
_PREFIX = "whsec_"


def read_key(path: str) -> bytes:
    """Return the key in a file: base64, with or without ``whsec_`` before it.

    Raises
    ------
    ConfigError
        It cannot be read, or is no key of 24 to 64 bytes.
    """
    try:
        words = Path(path).read_text("utf-8").strip()
        key = base64.b64decode(words.removeprefix(_PREFIX), validate=True)
    except OSError as error:
        raise _refused(path, error.strerror or str(error)) from error
    except (UnicodeDecodeError, binascii.Error, ValueError) as error:
        raise _refused(path, "it is not base64") from error
    if not SHORTEST_BYTES <= len(key) <= LONGEST_BYTES:
        raise _refused(path, f"it has {len(key)} bytes, not {SHORTEST_BYTES} to {LONGEST_BYTES}")
    return key


def signed(key: bytes, message: str, at_s: int, body: bytes) -> dict[str, str]:
    """Return the headers that go with a body.

    Parameters
    ----------
    key : bytes
    message : str
        Id of the notice.
    at_s : int
        Now, s since the Unix epoch.
    body : bytes
    """
    digest = hmac.new(key, f"{message}.{at_s}.".encode() + body, sha256).digest()
    return {
        "webhook-id": message,
        "webhook-timestamp": str(at_s),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def _refused(path: str, why: str) -> ConfigError:
    return ConfigError(
        f"[[webhook]] secret_file {path!r} holds no key ({why})",
        f"make one: openssl rand -base64 32 > {path}",
    )
