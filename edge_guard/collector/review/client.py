"""A collector's labels over its interface, for programs with a token."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from edge_guard.collector.review.exchange import MOST_AT_ONCE, Given, Labelled, Outcome
from edge_guard.errors import ConfigError, StoreError

TIMEOUT_S = 60.0
_REFUSED = {
    401: "make a token with 'edge-guard people token create --scope read,label' and give its file",
    403: "make a token with 'edge-guard people token create --scope read,label' and give its file",
    404: "check the address; the collector may be of an earlier version",
    421: "use the collector's own name or address, or add this one to [web] allowed_hosts",
}
T = TypeVar("T")


class _NoDetour(urllib.request.HTTPRedirectHandler):
    """Sends the token nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        """Follow no redirection."""


class LabelClient:
    """Reads and writes a collector's labels.

    Parameters
    ----------
    url : str
        Where its page is.
    token_file : Path, optional
        Holds the token on its first line; without it nobody is named.

    Raises
    ------
    ConfigError
        The token's file cannot be read.
    """

    def __init__(self, url: str, token_file: Path | None) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Content-Type": "application/json"}
        if token_file is not None:
            self._headers["Authorization"] = f"Bearer {_token(token_file)}"
        self._opener = urllib.request.build_opener(_NoDetour)

    def labelled(self) -> Iterator[Labelled]:
        """Yield every event on which a word stands, by number."""
        after = 0
        while page := self._ask(f"?after={after}", None, list[Labelled]):
            yield from page
            after = page[-1].event

    def take_in(self, given: Sequence[Given]) -> list[Outcome]:
        """Return what became of each label."""
        outcomes: list[Outcome] = []
        for start in range(0, len(given), MOST_AT_ONCE):
            body = {"labels": given[start : start + MOST_AT_ONCE]}
            outcomes += self._ask("", msgspec.json.encode(body), list[Outcome])
        return outcomes

    def _ask(self, query: str, body: bytes | None, kind: type[T]) -> T:
        address = f"{self._url}/api/review/labels{query}"
        try:
            request = urllib.request.Request(address, body, self._headers)
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                return msgspec.json.decode(answer.read(), type=kind)
        except urllib.error.HTTPError as refusal:
            raise _refused(address, refusal) from refusal
        except (OSError, http.client.HTTPException) as error:
            cause = getattr(error, "reason", error)
            raise StoreError(
                f"the collector at {self._url} does not answer ({cause})",
                "check the address, and that the collector runs; repeating is harmless",
            ) from error
        except (ValueError, msgspec.MsgspecError) as error:
            raise ConfigError(
                f"{address} does not answer like a collector ({error})", "check the address"
            ) from error


def _token(file: Path) -> str:
    try:
        lines = file.read_text("utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the token's file {file} cannot be read ({error})", "give a text file with the token"
        ) from error
    if not lines or not lines[0].isascii():
        raise ConfigError(f"the token's file {file} holds no token", "write it on the first line")
    return lines[0]


def _refused(address: str, refusal: urllib.error.HTTPError) -> ConfigError | StoreError:
    try:
        detail = str(msgspec.json.decode(refusal.read(10_000))["detail"])
    except (msgspec.MsgspecError, KeyError, TypeError, OSError):
        detail = refusal.reason
    problem = f"{address.partition('?')[0]} refuses with status {refusal.code} ({detail})"
    if refusal.code >= 500 or refusal.code == 429:
        return StoreError(problem, "try again later; repeating is harmless")
    return ConfigError(problem, _REFUSED.get(refusal.code, "correct what it names"))
