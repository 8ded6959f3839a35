"""Pictures as objects of an S3-compatible store: MinIO, Ceph, Garage, AWS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edge_guard.collector.pictures.content import check_digest, is_digest, media_type
from edge_guard.config import S3Table
from edge_guard.errors import ConfigError, StoreError, missing_extra

try:
    import urllib3
    from minio import Minio
    from minio.deleteobjects import DeleteObject
    from minio.error import MinioException, S3Error
except ModuleNotFoundError as error:
    raise missing_extra(error.name or "minio", "s3") from error

WRITERS = 16
_PLACE = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")
_PATIENCE = urllib3.Timeout(connect=5, read=20)
_TRIES = urllib3.Retry(total=1, backoff_factor=0.2, status_forcelist=(502, 503, 504))
_FAILURES = (MinioException, urllib3.exceptions.HTTPError)
_PROBE = ".probe"
_REMEDIES = {
    "NoSuchBucket": "create the bucket, or correct [store] frames",
    "InvalidAccessKeyId": "correct [store.s3] access_key",
    "SignatureDoesNotMatch": "correct [store.s3] secret_key_file",
    "AccessDenied": "let the access key read, write, list and delete in this bucket",
}


class BucketError(OSError):
    """The store does not do what it is asked; it may a little later."""


class Bucket:
    """Keeps pictures in a bucket; an object is there whole or not at all.

    Parameters
    ----------
    place : str
        ``s3://bucket/prefix``.
    table : S3Table or None

    Raises
    ------
    ConfigError
        ``place`` is none, or a setting or file is missing.
    StoreError
        The bucket cannot be reached or written.
    """

    def __init__(self, place: str, table: S3Table | None) -> None:
        found = _PLACE.fullmatch(place)
        if found is None:
            raise ConfigError(f"[store] frames {place!r} is no bucket", "write s3://bucket/prefix")
        if table is None:
            raise ConfigError(
                f"[store] frames {place!r} needs [store.s3]",
                "set endpoint, access_key and secret_key_file there",
            )
        self.place = place
        self._bucket = found[1]
        self._prefix = f"{found[2].strip('/')}/" if (found[2] or "").strip("/") else ""
        self._client = _client(table)
        self._writers = ThreadPoolExecutor(WRITERS, "collector-pictures")
        self._check(table.endpoint)

    def put(self, picture: bytes) -> str:
        """Return the sha-256 of ``picture`` once the store has confirmed it.

        Raises
        ------
        BucketError
            It cannot be written now.
        """
        digest = sha256(picture).hexdigest()
        self._keep(digest, picture)
        return digest

    def put_all(self, pictures: Mapping[str, bytes]) -> None:
        """Return once the store has confirmed all pictures, by their sha-256.

        Raises
        ------
        BucketError
            As ``put``; some of the pictures may be stored.
        """
        for _ in self._writers.map(self._keep, pictures.keys(), pictures.values()):
            pass

    def get(self, digest: str) -> bytes | None:
        """Return the picture, or None where there is none.

        Raises
        ------
        ValueError
            ``digest`` is not a sha-256 in lower-case hexadecimal.
        BucketError
            The store cannot be reached.
        """
        name = self._name(digest)
        with self._missing_is_none():
            answer = self._client.get_object(self._bucket, name)
            try:
                return bytes(answer.read())
            finally:
                answer.close()
                answer.release_conn()
        return None

    def has(self, digest: str) -> bool:
        """Return whether there is such a picture.

        Raises
        ------
        ValueError
            ``digest`` is not a sha-256 in lower-case hexadecimal.
        BucketError
            The store cannot be reached.
        """
        name = self._name(digest)
        with self._missing_is_none():
            self._client.stat_object(self._bucket, name)
            return True
        return False

    def save(self, digest: str, path: Path) -> bool:
        """Write the picture into a new file; return False where there is none.

        Raises
        ------
        OSError
            ``path`` exists or cannot be written, or the store cannot be reached.
        """
        picture = self.get(digest)
        if picture is None:
            return False
        with path.open("xb") as file:
            file.write(picture)
        return True

    def remove(self, digests: Iterable[str]) -> None:
        """Take pictures out; those that are not there do no harm.

        Raises
        ------
        BucketError
            Some are still there.
        """
        wanted = [DeleteObject(self._name(digest)) for digest in digests]
        if not wanted:
            return
        try:
            refused = list(self._client.remove_objects(self._bucket, wanted))
        except _FAILURES as error:
            raise self._failed(error) from error
        if refused:
            raise BucketError(f"{self.place}: {refused[0].code}: {refused[0].message}")

    def digests(self, before_s: float) -> Iterator[str]:
        """Return what is stored and was last written before a time, in no order.

        Parameters
        ----------
        before_s : float
            Since the Unix epoch.

        Raises
        ------
        BucketError
            The store cannot be reached.
        """
        try:
            found = self._client.list_objects(self._bucket, prefix=self._prefix, recursive=True)
            for one in found:
                name = str(one.object_name).rpartition("/")[2]
                written = one.last_modified
                if is_digest(name) and written and written.timestamp() < before_s:
                    yield name
        except _FAILURES as error:
            raise self._failed(error) from error

    def _name(self, digest: str) -> str:
        check_digest(digest)
        return f"{self._prefix}{digest[:2]}/{digest[2:4]}/{digest}"

    @contextmanager
    def _missing_is_none(self) -> Iterator[None]:
        try:
            yield
        except S3Error as error:
            if error.code != "NoSuchKey":
                raise self._failed(error) from error
        except _FAILURES as error:
            raise self._failed(error) from error

    def _keep(self, digest: str, picture: bytes) -> None:
        self._write(self._name(digest), picture, media_type(picture) or "application/octet-stream")

    def _write(self, name: str, content: bytes, kind: str) -> None:
        try:
            self._client.put_object(self._bucket, name, BytesIO(content), len(content), kind)
        except _FAILURES as error:
            raise self._failed(error) from error

    def _check(self, endpoint: str) -> None:
        try:
            self._write(self._prefix + _PROBE, b"", "text/plain")
        except BucketError as error:
            remedy = next((text for code, text in _REMEDIES.items() if code in str(error)), None)
            raise StoreError(
                str(error), remedy or f"start the store, or correct [store.s3] endpoint {endpoint}"
            ) from error

    def _failed(self, error: Any) -> BucketError:
        told = f"{error.code}: {error.message}" if isinstance(error, S3Error) else _words(error)
        return BucketError(f"pictures in {self.place}: {told}")


def _client(table: S3Table) -> Minio:
    parts = urlsplit(table.endpoint)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path.strip("/"):
        raise ConfigError(
            f"[store.s3] endpoint {table.endpoint!r} is no address",
            "write https://HOST or http://HOST:PORT, without a path",
        )
    try:
        secret = Path(table.secret_key_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"[store.s3] secret_key_file {table.secret_key_file!r} cannot be read ({error})",
            "give a text file with the secret key, readable by this user",
        ) from error
    http = urllib3.PoolManager(
        maxsize=WRITERS, timeout=_PATIENCE, retries=_TRIES, ca_certs=table.ca_file
    )
    return Minio(
        parts.netloc,
        access_key=table.access_key,
        secret_key=secret,
        secure=parts.scheme == "https",
        region=table.region,
        http_client=http,
    )


def _words(error: Exception) -> str:
    cause = getattr(error, "reason", None) or error
    return " ".join(str(cause).split())[:300]
