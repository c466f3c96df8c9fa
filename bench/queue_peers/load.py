"""What is queued: the content of a request as the desk files it, some 450 bytes of JSON; and what a run came to."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

CONTENT = json.dumps(
    {
        "id": "019ab3c4-5d6e-7f80-9a1b-2c3d4e5f6071",
        "ticket": "K47-M2",
        "letter": "SKTM",
        "source": "desk",
        "applicant": {
            "nik": "3510152306089909",
            "kk": "3510152306089910",
            "name": "SITI AMINAH NURHALIZA",
            "phone": "+6281234567001",
            "rt": 3,
            "rw": 1,
        },
        "purpose": "Pengajuan beasiswa anak di SMA Negeri 1 Muncar, tahun ajaran 2026/2027",
        "flags": [],
        "missing": ["KK", "surat pengantar RT"],
        "created_at": "2026-11-22T03:04:05.678+00:00",
    }
)


@dataclass(slots=True)
class Until:
    """When producers stop: after `seconds`, or once `most` items were begun."""

    seconds: float
    most: int = 1 << 60
    begun: int = 0
    started: float = field(default_factory=time.monotonic)

    def more(self) -> bool:
        """Whether one more item is to be begun; counts it."""
        if self.begun >= self.most or time.monotonic() >= self.started + self.seconds:
            return False
        self.begun += 1
        return True

    def rate(self) -> float:
        """Items begun (and by now ended) a second."""
        return self.begun / (time.monotonic() - self.started)


def written_bytes() -> int:
    """What this process has had written to the disk: pages made dirty (proc_pid_io(5), write_bytes)."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def starved_s() -> float:
    """Seconds that this process's threads were ready and got no processor (schedstat, the kernel's sched-stats.rst)."""
    waits = (int((task / "schedstat").read_text().split()[1]) for task in Path("/proc/self/task").iterdir())
    return sum(waits) / 1e9


def resident_kib(most: bool = False) -> int:
    """Resident memory of this process now, or the most it ever had (VmRSS, VmHWM of proc_pid_status(5))."""
    name = "VmHWM" if most else "VmRSS"
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))
