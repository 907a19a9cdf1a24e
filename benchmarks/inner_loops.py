"""The innermost loops of a product, read from assembly: x86-64 as LLVM writes it, AArch64 as for Linux and macOS.

A loop is what runs between an arithmetic block and its jump back. The jump may go past blocks that run only
sometimes: where a masked load has no instruction, LLVM writes a jump around the load of every element.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

LABEL = re.compile(r"(\.?L[\w$.]*):")
FUNCTION = re.compile(r'("[^"]+"|[A-Za-z_][\w$.]*):')
JUMP = re.compile(r"(jmp|j[a-z]+|b|b\.[a-z]+|cbn?z|tbn?z)\s.*?(\.?L[\w$.]+)$")
END = re.compile(r"(jmp|jmpq|b|br|ret|retq)\b(?!\.)")
# Without fused multiply-add a product is multiplied, then added.
MULTIPLY_ADD = re.compile(r"(vfmadd\d+p[sd]|fmla|v?mulp[sd])\b")
ADDED_TO = re.compile(r"(vfmadd\d+p[sd]|v?addp[sd]|fmla)\b")
VECTOR = re.compile(r"%[xyz]mm(\d+)|\b[vqds](\d+)\b")
MASKED = re.compile(r"vmaskmov|\{%k")
FRAME = re.compile(r"movq?\s+%rsp, %rbp|(?:mov|add)\s+x29, sp")


class Loop(NamedTuple):
    """What one turn of a loop does; LLVM may have written several steps of the product into one turn."""

    multiply_adds: int
    accumulators: int  # registers that are added to
    loads: int  # whole vectors
    broadcasts: int  # single elements
    spills: int  # vectors read from the stack or written to it
    reloads: int  # the same for addresses and counts
    registers: int  # different vector registers
    masked: bool
    jumps: int  # besides the one that closes the loop


class Block(NamedTuple):
    """Instructions up to a jump or a label."""

    labels: list[str]
    code: list[str]


def read(assembly: str) -> list[Loop]:
    """Every innermost loop with vector arithmetic, in the order of the text."""
    return [_describe(blocks, loop) for blocks in _functions(assembly) for loop in _innermost(blocks)]


def _functions(assembly: str) -> Iterator[list[Block]]:
    """The blocks of each function."""
    blocks = [Block([], [])]
    for line in assembly.splitlines():
        line = re.split(r"\s##? |//|;", line)[0].strip().replace("\t", " ")
        if label := LABEL.match(line):
            if blocks[-1].code:
                blocks.append(Block([], []))
            blocks[-1].labels.append(label[1])
        elif FUNCTION.match(line):
            yield blocks
            blocks = [Block([], [])]
        elif line and not line.startswith("."):
            blocks[-1].code.append(line)
            if JUMP.match(line) or END.match(line):
                blocks.append(Block([], []))
    yield blocks


def _innermost(blocks: list[Block]) -> list[list[int]]:
    """Indices of the blocks of every loop that closes behind arithmetic and contains no other such loop."""
    where = {label: i for i, block in enumerate(blocks) for label in block.labels}
    follow = [_successors(block, i, where) for i, block in enumerate(blocks)]
    before: list[list[int]] = [[] for _ in blocks]
    for i, targets in enumerate(follow):
        for target in targets:
            if target < len(blocks):
                before[target].append(i)
    busy = [i for i, block in enumerate(blocks) if any(MULTIPLY_ADD.match(line) for line in block.code)]
    found = [loop for i in busy for target in follow[i] if (loop := _between(target, i, before))]
    return [sorted(loop) for loop in found if not any(other < loop for other in found)]


def _successors(block: Block, i: int, where: dict[str, int]) -> list[int]:
    last = block.code[-1] if block.code else ""
    jump = JUMP.match(last)
    targets = [where[jump[2]]] if jump and jump[2] in where else []
    return targets if END.match(last) else [*targets, i + 1]


def _between(first: int, last: int, before: list[list[int]]) -> set[int]:
    """Blocks on the ways from `first` to `last`; empty if `last` can be reached without `first`."""
    loop, left = {first}, [last]
    while left:
        block = left.pop()
        if block not in loop:
            loop.add(block)
            left += before[block]
    return set() if 0 in loop else loop


def _describe(blocks: list[Block], loop: list[int]) -> Loop:
    code = [line for i in loop for line in blocks[i].code]
    framed = any(FRAME.match(line) for block in blocks for line in block.code)
    on_stack = re.compile(r"\(%r[sb]p|\[(sp|x29)\b" if framed else r"\(%rsp|\[sp\b")
    added = [line for line in code if ADDED_TO.match(line)]
    stack = [line for line in code if on_stack.search(line)]
    spilled = sum(bool(_numbers(line)) for line in stack)
    fetched = [_fetched(line) for line in code if line not in stack]
    return Loop(
        multiply_adds=sum(bool(MULTIPLY_ADD.match(line)) for line in code),
        accumulators=len({_target(line) for line in added}),
        loads=sum(vectors for vectors, _ in fetched),
        broadcasts=sum(elements for _, elements in fetched),
        spills=spilled,
        reloads=len(stack) - spilled,
        registers=len({number for line in code for number in _numbers(line)}),
        masked=any(MASKED.search(line) for line in code) or len(loop) > 1,
        jumps=sum(bool(JUMP.match(line)) for line in code) - 1,
    )


def _numbers(line: str) -> list[str]:
    return [x86 or arm for x86, arm in VECTOR.findall(line.split(" ", 1)[-1])]


def _target(line: str) -> str:
    """The register written: x86 names it last, AArch64 first."""
    return _numbers(line)[-1 if "%" in line else 0]


def _fetched(line: str) -> tuple[int, int]:
    """Whole vectors and single elements that an instruction loads from memory."""
    name = line.split(" ", 1)[0]
    if "%" in line:
        # An address that comes last is written to.
        if not _numbers(line) or not re.search(r"\).*,", line):
            return 0, 0
        single = re.match(r"vbroadcasts|v?mov(s[sd]|ddup|[lh]p)|v?insertps|v?pinsr", name) or "{1to" in line
        return (0, 1) if single else (1, 0)
    if not name.startswith("ld"):
        return 0, 0
    count = 2 if name == "ldp" else 1
    if re.match(r"ld\w*(\.\w+)? q", line):
        return count, 0
    return (0, count) if _numbers(line.split("[")[0]) or name.startswith("ld1") else (0, 0)
