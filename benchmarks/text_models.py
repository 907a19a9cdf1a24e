"""One update of the language models of the nnRNN suite at their published sizes: time, characters per second, and the
share that the parametrisation of the recurrent matrix takes.

    python benchmarks/text_models.py [--cases lstm-475 exprnn-1386] [--repeats 3] [--name text_models]

150 steps, batches of 128, embedding of 200, 50 symbols as the characters of Penn Treebank have; the text is made here.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import Any

import record

from npr.bench import clock, machine
from npr.bench.made_text import made_text

STEPS, READERS, SYMBOLS = 150, 128, 50
CASES = ("lstm-475", "lstm-1024", "rnn-orth-1024", "exprnn-1024", "nnrnn-1024", "exprnn-1386")


def watch(model: Any) -> list[float]:
    """Seconds of every call that goes into or back out of the model's parametrisation, from now on."""
    seconds: list[float] = []
    kind = type(model.parametrization()) if hasattr(model, "parametrization") else None
    for name in ("forward", "backward", "settle") if kind else ():
        plain = getattr(kind, name)

        def timed(*arguments: Any, _plain: Any = plain) -> Any:
            start = time.perf_counter()
            result = _plain(*arguments)
            seconds.append(time.perf_counter() - start)
            return result

        setattr(kind, name, timed)
    return seconds


def measure(case: str, threads: int, repeats: int) -> dict[str, Any]:
    """Figures of one case."""
    from npr.training import resolve
    from npr.training.parts import open_parts
    from npr.training.state import fresh
    from npr.training.update import update

    model, _, size = case.rpartition("-")
    with made_text(SYMBOLS, 2 * STEPS * READERS) as data:
        flags = {"model": model, "task": "charlm", "preset": "paper", "data": data, "threads": threads}
        own = {"hidden_size": int(size), "split": "none", "lines": "as-is"}
        parts = open_parts(resolve({**flags, **own}), lambda line: None)
        state = fresh(parts)
    inside = watch(parts.model)
    update(parts, state)
    inside.clear()
    # A warm-up of one update besides that: at these sizes an update takes seconds.
    seconds = clock.repeat(lambda: update(parts, state), repeats, warm_up=0)
    median = statistics.median(seconds)
    return {
        "parameters": sum(value.size for value in state.params.values()),
        "ms": 1e3 * median,
        "characters_per_second": STEPS * READERS / median,
        "parametrisation_share": sum(inside) / sum(seconds),
    }


def main(arguments: list[str]) -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="Updates of language models at their published sizes.")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=CASES, metavar="CASE")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--name", default="text_models", help="of the result file in benchmarks/results")
    options = parser.parse_args(arguments)
    machine.pin(options.threads)
    print("| model | ms | characters/s | parametrisation | parameters |\n| --- | --- | --- | --- | --- |")
    found = {}
    for case in options.cases:
        one = found[case] = measure(case, options.threads, options.repeats)
        share = f"{one['parametrisation_share']:.1%}" if one["parametrisation_share"] else "-"
        cells = (case, f"{one['ms']:.0f}", f"{one['characters_per_second']:,.0f}", share, f"{one['parameters']:,}")
        print("| " + " | ".join(cells) + " |", flush=True)
    figures = {"seq_len": STEPS, "batch_size": READERS, "threads": options.threads, "cases": found}
    record.write(options.name, record.document("text_models", arguments, figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
