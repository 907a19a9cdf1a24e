"""NIST SPHERE files, the format of the sound in TIMIT: a header of text lines, then samples.

    NIST_1A
       1024
    sample_count -i 63488
    sample_n_bytes -i 2
    ...
    end_head

The second line is the size of the header, after which the samples begin; every other line is a name, a type and a
value. Source: NIST SPHERE 2.6 documentation.
"""

from __future__ import annotations

from npr.data.sound import ACCEPTED, Header, Sound, sound
from npr.errors import DataError

MAGIC = b"NIST_1A\n"
_END = "end_head"
# Lines and blanks before the size are part of the format: 8 + 8 bytes.
_START = 16
_ORDERS = {"01": "<", "10": ">"}


def parse(content: bytes | bytearray, where: str) -> Sound:
    """The sound in the content of a SPHERE file; `where` names it in errors.

    Raises
    ------
    DataError
        If it is no SPHERE file, compressed, damaged, cut short or empty, or holds anything but one channel of
        16-bit PCM.
    """
    size = _header_size(content, where)
    fields = _fields(bytes(content[_START:size]).decode("ascii", "replace"), where)
    coding = fields.get("sample_coding", "pcm").lower()
    if coding != "pcm":
        raise DataError(
            f"{where}: expected uncompressed {ACCEPTED}, found the coding '{coding}'. "
            f"Unpack it with NIST's w_decode or with sph2pipe first."
        )
    order = fields.get("sample_byte_format", "01")
    if order not in _ORDERS:
        raise DataError(f"{where}: expected the byte format 01 or 10, found '{order}'.")
    names = ("channel_count", "sample_n_bytes", "sample_rate", "sample_count")
    header = Header(*(_number(fields, name, where) for name in names))
    return sound(header, bytes(content[size:]), where, _ORDERS[order])


def _header_size(content: bytes | bytearray, where: str) -> int:
    line = bytes(content[len(MAGIC) : _START]).strip()
    if bytes(content[: len(MAGIC)]) != MAGIC or not line.isdigit() or int(line) < _START:
        raise DataError(f"{where}: not a NIST SPHERE file: expected 'NIST_1A' and the size of its header.")
    if int(line) > len(content):
        raise DataError(f"{where}: it is cut short: expected a header of {int(line)} bytes, found {len(content)}.")
    return int(line)


def _fields(header: str, where: str) -> dict[str, str]:
    lines = [line.strip() for line in header.split("\n")]
    if _END not in lines:
        raise DataError(f"{where}: its SPHERE header has no '{_END}'.")
    parts = (line.split(None, 2) for line in lines[: lines.index(_END)])
    return {part[0]: part[2].strip() for part in parts if len(part) == 3}


def _number(fields: dict[str, str], name: str, where: str) -> int:
    value = fields.get(name, "")
    if not (value.isascii() and value.isdigit()):
        raise DataError(f"{where}: its SPHERE header should say {name} as a whole number, found '{value}'.")
    return int(value)
