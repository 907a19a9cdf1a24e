"""Downloads: mirrors are tried in turn, and what comes back is believed only by its content's hash."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from npr.data import content as contents
from npr.data.known import KnownFile
from npr.errors import DataError

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
# A transfer must have delivered a first piece by START_SECONDS and stay above SLOWEST on average.
START_SECONDS = 8.0
SLOWEST = 16_384
_PIECE = 16_384
_SLACK = 65_536


class Unreachable(DataError):
    """No mirror delivered a file."""


class Received(NamedTuple):
    """A file as sent (`raw`), its checked content, and the mirror it came from."""

    raw: bytearray
    content: bytearray
    mirror: str


class _Sink:
    """Collects a transfer in memory and refuses to grow beyond `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self.raw = bytearray()
        self.limit = limit
        self.abandoned = False

    def write(self, piece: bytes) -> None:
        if self.abandoned:
            raise OSError("abandoned")
        if len(self.raw) + len(piece) > self.limit:
            raise OSError(f"sent more than {self.limit} bytes")
        self.raw += piece

    def flush(self) -> None:
        """Nothing is held back; part of the file protocol that the downloader expects."""


def retrieve(file: KnownFile, mirrors: Sequence[str]) -> Received:
    """Get one file from the first mirror that delivers its true content.

    Parameters
    ----------
    file : KnownFile
        What to get; mirrors hold it as `NAME.gz`, or as it says.
    mirrors : sequence of str
        Folders on the web, best first.

    Returns
    -------
    Received

    Raises
    ------
    Unreachable
        If none did; the message gives each mirror's reason.
    """
    reasons = []
    for mirror in mirrors:
        url = f"{mirror}/{file.remote or f'{file.name}.gz'}"
        try:
            raw = _transfer(url, file.size + _SLACK)
            content = contents.unpack_bytes(raw, file.size, url)
            file.check(content, url)
        except DataError as error:
            reasons.append(f"wrong content: {str(error).rstrip('.')}{_excerpt(raw)}")
        except OSError as error:
            reasons.append(f"{urlsplit(url).hostname}: {_reason(error)}")
        else:
            return Received(raw, content, mirror)
    raise Unreachable("; ".join(reasons) or "no mirror is known")


def _transfer(url: str, limit: int) -> bytearray:
    """Bytes of `url`, within `limit` and at a bearable speed.

    The transfer runs in a thread of its own, because name resolution and a server that sends single bytes
    escape every timeout that the HTTP library offers.
    """
    sink = _Sink(limit)
    failure: list[Exception] = []

    def work() -> None:
        import pooch

        downloader = pooch.HTTPDownloader(chunk_size=_PIECE, timeout=(CONNECT_SECONDS, READ_SECONDS))
        try:
            downloader(url, sink, None)
        except Exception as error:
            failure.append(error)

    thread = threading.Thread(target=work, daemon=True)
    started = time.monotonic()
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.05)
            if time.monotonic() - started > START_SECONDS + len(sink.raw) / SLOWEST:
                raise OSError(f"too slow ({len(sink.raw)} bytes in {time.monotonic() - started:.0f} s)")
    finally:
        sink.abandoned = True
    if failure:
        raise failure[0]
    return sink.raw


def _reason(error: OSError) -> str:
    """A few words for a failed transfer; the HTTP library's own texts fill several lines."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"HTTP status {status}"
    if type(error) is OSError:
        return str(error)
    return f"no connection ({type(error).__name__})"


def _excerpt(raw: bytes | bytearray) -> str:
    """How a wrong answer begins if it is a web page: that of a login portal or a blocked address."""
    start = bytes(raw[:60]).lstrip().lower()
    return ", a web page" if start.startswith((b"<!doctype", b"<html")) else ""
