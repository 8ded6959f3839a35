"""Passwords as they are stored: by scrypt (RFC 7914), never in the clear.

scrypt of the standard library at N = 2^15, r = 8, p = 3 is one of the settings that OWASP's
password storage cheat sheet holds equal to Argon2id at 19 MiB (32 MiB and about 0.2 s a guess);
it spares a dependency. What is stored names its settings, so that later ones can differ.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import threading
import unicodedata

FEWEST, MOST = 10, 256
"""Letters of a password."""
_COST, _BLOCK, _LANES = 15, 8, 3
_AT_ONCE = threading.BoundedSemaphore(2)  # sign-ins take turns: each needs 32 MiB


def hashed(password: str) -> str:
    """Return what is stored of a password: settings, salt and hash.

    Parameters
    ----------
    password : str
        Compared by what people see: in Unicode's form NFKC.
    """
    salt = os.urandom(16)
    derived = _derive(password, salt, _COST, _BLOCK, _LANES)
    said = (base64.b64encode(part).decode() for part in (salt, derived))
    return "$".join((f"scrypt${_COST}${_BLOCK}${_LANES}", *said))


def matches(password: str, stored: str) -> bool:
    """Tell whether a password is the stored one; takes as long whether it is or not.

    Parameters
    ----------
    password : str
    stored : str
        From ``hashed``.
    """
    _, cost, block, lanes, salt, wanted = stored.split("$")
    got = _derive(password, base64.b64decode(salt), int(cost), int(block), int(lanes))
    return hmac.compare_digest(got, base64.b64decode(wanted))


def weakness(password: str, name: str) -> str:
    """Return why a password cannot be taken; empty: it can.

    Length is what counts, and that it is not the name (NIST SP 800-63B, §5.1.1); rules about kinds
    of letters make passwords no better.
    """
    if not FEWEST <= len(password) <= MOST:
        return f"a password has {FEWEST} to {MOST} letters"
    if name.casefold() in password.casefold() and len(password) < len(name) + FEWEST:
        return "the password is little more than the name"
    if len(set(password)) < 5:
        return "the password repeats too few letters"
    return ""


def _derive(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    seen = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    memory = 128 * block * (2**cost + lanes + 2) + 2**20
    with _AT_ONCE:
        return hashlib.scrypt(seen, salt=salt, n=2**cost, r=block, p=lanes, maxmem=memory, dklen=32)
