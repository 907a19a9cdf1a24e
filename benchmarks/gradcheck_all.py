"""The gradient check of every registered model, as one result file.

python benchmarks/gradcheck_all.py [--seed 0] [--name gradcheck]
"""

from __future__ import annotations

import argparse
import sys

import record


def main(arguments: list[str]) -> int:
    from npr import gradcheck, registry

    parser = argparse.ArgumentParser(description="Gradient check of every registered model.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="gradcheck", help="of the result file in benchmarks/results")
    options = parser.parse_args(arguments)
    reports = [gradcheck.check(name, seed=options.seed) for name in registry.models.names()]
    for report in reports:
        print(f"{report.model}: {len(report.cases)} cases, largest relative error {report.max_rel_error:.1e}")
    figures = {"seed": options.seed, "dtype": "float64", "goal": gradcheck.TOLERANCE}
    models = [{"cases": len(report.cases), **report.to_dict()} for report in reports]
    record.write(options.name, record.document("gradcheck_all", arguments, {**figures, "models": models}))
    return 0 if all(report.passed for report in reports) else 7


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
