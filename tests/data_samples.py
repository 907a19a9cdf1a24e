"""Small stand-ins for the real data: IDX files, a tiny MNIST, and a web server that misbehaves on request."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from npr.data.known import KnownFile, KnownSet

CLOSED = "http://127.0.0.1:9/mnist"


def idx_bytes(array: np.ndarray) -> bytes:
    """An array of bytes as the content of an IDX file."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes((0, 0, 8, array.ndim)) + sizes + array.tobytes()


def tiny_content(train: int = 60, test: int = 20) -> dict[str, bytes]:
    """The four files of a little MNIST of random pixels, by name."""
    rng = np.random.default_rng(5)
    content = {}
    for part, count in (("train", train), ("t10k", test)):
        pixels = rng.integers(0, 256, (count, 28, 28), np.uint8)
        content[f"{part}-images-idx3-ubyte"] = idx_bytes(pixels)
        content[f"{part}-labels-idx1-ubyte"] = idx_bytes((np.arange(count) % 10).astype(np.uint8))
    return content


def known_set(content: dict[str, bytes], *mirrors: str) -> KnownSet:
    """The description of `content` as a data set called mnist."""
    files = tuple(
        KnownFile(name, len(data), hashlib.sha256(data).hexdigest(), data[3]) for name, data in content.items()
    )
    return KnownSet("mnist", "a tiny set", "none", files, mirrors or (CLOSED,))


def fill(folder: Path, content: dict[str, bytes], packed: bool = True) -> Path:
    """Write `content` into `folder`, as .gz or plain."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in content.items():
        (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(data) if packed else data)
    return folder


class Web:
    """A server on the loopback; the first part of a path names the way it answers."""

    def __init__(self, content: dict[str, bytes]) -> None:
        self.content = content
        self.requests: Counter[str] = Counter()
        self.closing = threading.Event()
        self.url = ""

    def mirror(self, manner: str) -> str:
        """Address of a mirror that answers in this manner, one of MANNERS."""
        return f"{self.url}/{manner}"


def _send(handler: BaseHTTPRequestHandler, body: bytes, length: int | None = None, **headers: str) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def _drip(handler: BaseHTTPRequestHandler, data: bytes, web: Web) -> None:
    _send(handler, b"", length=len(data))
    for byte in gzip.compress(data):
        if web.closing.wait(0.05):
            return
        handler.wfile.write(bytes((byte,)))
        handler.wfile.flush()


Manner = Callable[[BaseHTTPRequestHandler, bytes, Web], None]
MANNERS: dict[str, Manner] = {
    "good": lambda to, data, web: _send(to, gzip.compress(data)),
    "plain": lambda to, data, web: _send(to, data),
    "encoded": lambda to, data, web: _send(to, gzip.compress(data), Content_Encoding="gzip"),
    "forbidden": lambda to, data, web: to.send_error(403),
    "html": lambda to, data, web: _send(to, b"<!DOCTYPE html><title>Sign in</title>"),
    "short": lambda to, data, web: _send(to, gzip.compress(data)[:50], length=len(data)),
    "cut": lambda to, data, web: _send(to, gzip.compress(data)[:-30]),
    "other": lambda to, data, web: _send(to, gzip.compress(data[:-1] + bytes((data[-1] ^ 1,)))),
    "long": lambda to, data, web: _send(to, b"\0" * (len(data) + (1 << 20))),
    "drip": _drip,
}


@contextmanager
def serve(content: dict[str, bytes]) -> Iterator[Web]:
    """Run a server of `content` while the block runs."""
    web = Web(content)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, manner, name = self.path.split("/")
            web.requests[f"{manner}/{name}"] += 1
            try:
                MANNERS[manner](self, web.content[name.removesuffix(".gz")], web)
            except OSError:
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            """Keep the test output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        web.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
