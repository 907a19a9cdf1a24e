"""Comparing runs: repetitions with other seeds in one group, means with their intervals.

from npr.compare import compare

for group in compare(["1", "2", "3"]).groups:
    print(group.settings, group.figures["test_loss"])
"""

from npr.compare.groups import Comparison, Group, compare, ordered
from npr.compare.record import Record, read_records
from npr.compare.statistics import Estimate, estimate

__all__ = ["Comparison", "Estimate", "Group", "Record", "compare", "estimate", "ordered", "read_records"]
