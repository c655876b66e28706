"""CPU seconds of the processes of a stack, as the kernel counts them."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from bench.common import Bench

_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Used(NamedTuple):
    """CPU seconds, user and system."""

    worker: float
    temporal: float
    postgres: float
    driver: float

    @property
    def stack(self) -> float:
        """Of all but the driver."""
        return self.worker + self.temporal + self.postgres


def used_so_far(bench: Bench, *workers: int) -> Used:
    """Since each process began; `workers` are process ids."""
    data = bench.stack.data_dir
    temporal = int((data / "temporal.pid").read_text())
    postmaster = int((data / "postgres" / "postmaster.pid").read_text().split()[0])
    return Used(sum(map(_cpu, workers)), _cpu(temporal), _tree(postmaster), time.process_time())


def between(before: Used, after: Used) -> Used:
    """What was used from one to the other."""
    return Used(*(b - a for a, b in zip(before, after, strict=True)))


def each(used: Used, count: int) -> Used:
    """The share of one of `count`."""
    return Used(*(seconds / count for seconds in used))


def _cpu(pid: int) -> float:
    user, system, *_ = _stat(pid)[11:]
    return (int(user) + int(system)) / _TICKS


def _tree(pid: int) -> float:
    """Of a process, its children, and those of its children that have ended."""
    ticks = sum(int(one) for one in _stat(pid)[11:15])
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            child = _stat(int(path.parent.name))
            if int(child[1]) == pid:
                ticks += int(child[11]) + int(child[12])
    return ticks / _TICKS


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on: the second may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
