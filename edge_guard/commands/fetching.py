"""Brings an offered bundle onto the device, byte for byte the one that was offered."""

from __future__ import annotations

import hashlib
import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import IO, Any

from edge_guard.errors import BundleError
from edge_guard.publish.messages import OfferBundle

SILENCE_SECONDS = 10.0
LONGEST_SECONDS = 300.0
_CHUNK_BYTES = 1 << 18


class _NoDetours(urllib.request.HTTPRedirectHandler):
    """A bundle is fetched from the address that was offered or not at all."""

    def redirect_request(
        self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


def fetch_bundle(offer: OfferBundle, path: Path, ca_file: str | None) -> None:
    """Return once the offered file lies at ``path``.

    Parameters
    ----------
    offer : OfferBundle
    path : Path
        Its folder is made if it is not there; removed again on an error.
    ca_file : str or None
        The plant's own CA, for https.

    Raises
    ------
    BundleError
        It cannot be fetched or kept, is not of the announced size, or is not the file with the
        announced sha-256.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            digest = hashlib.sha256()
            for chunk in _chunks(offer, ca_file):
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != offer.sha256:
            raise BundleError(
                f"{offer.url} is not the bundle that was offered", "its sha-256 differs"
            )
    except (OSError, http.client.HTTPException, ValueError) as error:
        path.unlink(missing_ok=True)
        words = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise BundleError(f"{offer.url} cannot be fetched ({words})", "check the address") from None
    except BundleError:
        path.unlink(missing_ok=True)
        raise


def _chunks(offer: OfferBundle, ca_file: str | None) -> Iterator[bytes]:
    """Yield the file's bytes, exactly as many as were announced."""
    context = ssl.create_default_context(cafile=ca_file)
    https = urllib.request.HTTPSHandler(context=context)
    opener = urllib.request.build_opener(_NoDetours, https)
    left, deadline = offer.size_bytes, time.monotonic() + LONGEST_SECONDS
    with opener.open(offer.url, timeout=SILENCE_SECONDS) as answer:
        # read() would wait for a whole chunk, however slowly it comes, before the clock is seen.
        while chunk := answer.read1(_CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                raise BundleError(f"{offer.url} is larger than announced", "offer it again")
            if time.monotonic() > deadline:
                raise BundleError(f"{offer.url} comes too slowly", "offer it again")
            yield chunk
    if left:
        raise BundleError(f"{offer.url} ends too early", "offer it again")
