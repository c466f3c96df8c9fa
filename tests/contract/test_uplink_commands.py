"""`kampung-edge uplink`, `why` and `prefer` against a real control socket and the real policy."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edge import config
from edge.clock import SystemClock
from edge.config_check import load
from edge.control import Control, Refused, ask
from edge.decisions import Answers, Decisions
from edge.events import ClassMoved, UplinkJudged
from edge.monitor.tally import Row
from edge.monitor.verdict import Verdict
from edge.traffic.policy import Policy
from edge.traffic.preference import Preferences
from tests.unit.config_mistakes import DATA

SOURCES = (
    Row("gateway", "icmp", "gateway", 0.0, 1.25, set_aside=False),
    Row("10.35.0.10", "icmp", "anchor", 0.02512, 12.0, set_aside=False),
    Row("9.9.9.9", "icmp", "public", 1.0, None, set_aside=True),
    Row("http", "http", "http", None, None, set_aside=False),
)
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "SUDO_USER"} | {"TZ": "Asia/Jakarta"}


@dataclass
class Box:
    """The parts of a daemon that the commands ask, and its configuration's file."""

    file: Path
    config: config.Config
    decisions: Decisions
    preferences: Preferences
    policy: Policy
    verdicts: dict[str, Verdict]
    control: Control
    clock: SystemClock = field(default_factory=SystemClock)
    chosen: list[tuple[Iterable[str], str | None, float, str]] = field(default_factory=list)

    def reconsider(self) -> None:
        before = self.policy.assignment
        after = self.policy.decide(
            self.verdicts, service_hours=True, preferred=self.preferences.current(), now=self.clock.monotonic()
        )
        for name, uplink, because in after.rows():
            if before[name].uplink != uplink:
                moved = ClassMoved(name, before[name].uplink, uplink, because, after[name].evidence)
                self.decisions.observe(moved, self.clock.wall())

    def judge(self, uplink: str, verdict: Verdict) -> None:
        self.verdicts[uplink] = verdict
        judged = UplinkJudged(
            uplink, verdict.level, verdict.cause, verdict.loss, verdict.rtt_ms, evidence=verdict.evidence
        )
        self.decisions.observe(judged, self.clock.wall())
        self.reconsider()


def build(directory: Path) -> Box:
    file = directory / "village.toml"
    file.write_text(f'run_dir = "{directory}"\nstate_dir = "{directory}"\n' + (DATA / "warning-kind.toml").read_text())
    settings = load(file)
    clock = SystemClock()
    now = clock.monotonic()
    verdicts = {
        "pde": Verdict("pde", "up", "", 0.004, 12.34, now - 7500, 0.5, ("4 of 4 targets answer",)),
        "telkom": Verdict("telkom", "up", "", 0.0, 25.0, now - 90),
    }
    box = Box(
        file,
        settings,
        Decisions(),
        Preferences(directory / "preference.json", clock),
        Policy(settings.classes, settings.policy),
        verdicts,
        Control(directory),
    )
    answers = Answers(
        settings,
        box.decisions,
        box.preferences,
        clock=clock,
        verdicts=lambda: box.verdicts.values(),
        sources=lambda uplink: SOURCES if uplink == "pde" else (),
        assignment=lambda: box.policy.assignment,
        reconsider=box.reconsider,
        chosen=lambda *choice: box.chosen.append(choice),
    )
    box.control.offer(answers.handlers())
    box.reconsider()
    return box


@contextlib.asynccontextmanager
async def running(directory: Path) -> AsyncIterator[Box]:
    box = build(directory)
    task = asyncio.create_task(box.control.run())
    await box.control.listening.wait()
    try:
        yield box
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def call(box: Box, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge", "uplink", *arguments, "--config", str(box.file)]
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False, timeout=60, env=ENVIRONMENT | environment
    )


def dead(box: Box, uplink: str) -> Verdict:
    silent = ("4 of 4 targets silent for 2.6 s, gateway answers",)
    return Verdict(uplink, "down", "beyond-gateway", 1.0, None, box.clock.monotonic(), None, silent)


async def test_the_table(tmp_path: Path) -> None:
    """Whoever stands before a slow office could not see which uplink is ill and who uses it."""
    async with running(tmp_path) as box:
        done = await call(box)
        lines = done.stdout.splitlines()
        assert (done.returncode, done.stderr) == (0, "")
        assert lines[0].split() == ["uplink", "verdict", "cause", "loss", "rtt", "jitter", "since", "used", "by"]
        assert " ".join(lines[1].split()) == "pde up - 0.4% 12.3 ms 0.5 ms 2 h 5 m service, control"
        assert lines[2].split()[:4] == ["telkom", "up", "-", "0.0%"]
        assert lines[2].split()[-1] == "wifi"
        assert "service: pde: pde is up" in lines
        asked = "gateway 1.2 ms; 10.35.0.10 12.0 ms, 3% lost; 9.9.9.9 silent (set aside); http not asked yet"
        assert f"pde: {asked}" in lines
        assert "telkom: asks nobody" in lines


async def test_the_table_as_json(tmp_path: Path) -> None:
    """A program could not read what a person sees."""
    async with running(tmp_path) as box:
        said = json.loads((await call(box, "--json")).stdout)
        pde = said["uplinks"][0]
        assert 7500 <= pde.pop("since_s") < 7600
        silent = {"name": "9.9.9.9", "kind": "icmp", "role": "public", "loss": 1.0, "rtt_ms": None, "set_aside": True}
        told = pde.pop("sources")
        assert told[2] == silent
        assert told[1]["loss"] == 0.0251
        assert pde == {
            "uplink": "pde",
            "verdict": "up",
            "cause": "",
            "loss": 0.004,
            "rtt_ms": 12.34,
            "jitter_ms": 0.5,
            "evidence": ["4 of 4 targets answer"],
            "classes": ["service", "control"],
        }
        assert said["classes"][1] == {
            "class": "wifi",
            "uplink": "telkom",
            "because": "telkom is up",
            "chosen": None,
            "chosen_for_s": None,
        }


async def test_watching_goes_on_until_interrupted(tmp_path: Path) -> None:
    """The table would stand still, end with an error, or end when the daemon restarts."""
    async with running(tmp_path) as box:
        watcher = await asyncio.create_subprocess_exec(
            *("env", "--default-signal=INT"),  # whoever runs the tests in the background has it ignored
            *(sys.executable, "-m", "edge", "uplink", "--watch", "--json", "--config", str(box.file)),
            stdout=asyncio.subprocess.PIPE,
        )
        assert watcher.stdout is not None
        async with asyncio.timeout(30):
            first = json.loads(await watcher.stdout.readline())
            box.control.withdraw(["uplink"])
            while "error" not in json.loads(await watcher.stdout.readline()):
                pass
            watcher.send_signal(signal.SIGINT)
            assert await watcher.wait() == 0
        assert first["uplinks"][0]["uplink"] == "pde"


async def test_why_tells_what_each_decision_rested_on(tmp_path: Path) -> None:
    """After an outage nobody could tell why the office was where it was."""
    async with running(tmp_path) as box:
        box.judge("pde", dead(box, "pde"))
        done = await call(box, "why")
        lines = [line[21:] for line in done.stdout.splitlines()]
        silent = "4 of 4 targets silent for 2.6 s, gateway answers"
        assert lines == [
            "service: no uplink -> pde: pde is up",
            "- pde: 4 of 4 targets answer",
            "wifi: no uplink -> telkom: telkom is up",
            "control: no uplink -> pde: pde is up",
            "- pde: 4 of 4 targets answer",
            "pde is down (beyond-gateway)",
            f"- {silent}",
            "service: pde -> telkom: pde is down (beyond-gateway); telkom is up",
            f"- pde: {silent}",
            "control: pde -> telkom: pde is down (beyond-gateway); telkom is up",
            f"- pde: {silent}",
        ]
        assert re.match(r"20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}  service", done.stdout)
        one = json.loads((await call(box, "why", "--last", "1", "--json")).stdout)["decisions"]
        assert [decision["event"] for decision in one] == ["switch"]
        assert one[0]["because"] == "pde is down (beyond-gateway); telkom is up"
        assert one[0]["evidence"] == [f"pde: {silent}"]


async def test_a_choice_by_hand_moves_and_is_taken_back(tmp_path: Path) -> None:
    """The officer's choice would be acknowledged and not happen, or be lost by a restart, or be nobody's."""
    me = pwd.getpwuid(os.getuid()).pw_name
    async with running(tmp_path) as box:
        done = await call(box, "prefer", "telkom", "--for", "2h")
        assert (done.returncode, done.stdout) == (0, "service, wifi, control: by telkom for 2 h\n")
        assert box.policy.assignment.service.uplink == "telkom"
        assert Preferences(tmp_path / "preference.json", box.clock).current() == dict.fromkeys(
            ("service", "wifi", "control"), "telkom"
        )
        table = (await call(box)).stdout
        assert "service: telkom: chosen by hand; telkom is up [telkom by hand, 1 h 59 m left]" in table
        done = await call(box, "prefer", "--clear")
        assert done.stdout == "service, wifi, control: by the rules again\n"
        assert box.policy.assignment.service.uplink == "pde"
        why = (await call(box, "why")).stdout
        assert re.search(
            rf"service, wifi, control: telkom chosen by hand by {me} for 2 h, until 20..-..-.. ..:..:..\n", why
        )
        assert f"service, wifi, control: choice by hand taken back by {me}\n" in why
        kept = (("service", "wifi", "control"), "telkom", 7200.0, me), (("service", "wifi", "control"), None, 0.0, me)
        assert box.chosen == list(kept), "for the report"
        assert "service: telkom -> pde: the choice by hand has ended; pde is up" in why


async def test_behind_sudo_stands_a_person(tmp_path: Path) -> None:
    """Every choice would be root's; and an account that no account can have would be written down."""
    async with running(tmp_path) as box:
        done = await call(box, "prefer", "telkom", SUDO_USER="siti")
        assert done.returncode == 0
        assert [by for *_, by in box.chosen] == ["siti" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name]
        for wrong in ("x" * 33, "si\nti", 7, None):
            with pytest.raises(Refused, match="no account's name"):
                await asyncio.to_thread(ask, tmp_path, {"ask": "prefer", "clear": True, "by": wrong})
        assert len(box.chosen) == 1


async def test_a_choice_for_one_class(tmp_path: Path) -> None:
    """To move the office would move everything."""
    async with running(tmp_path) as box:
        said = json.loads((await call(box, "prefer", "telkom", "--class", "service", "--json")).stdout)
        assert said == {"classes": ["service"], "uplink": "telkom", "for_s": 3600.0, "warnings": []}
        assert box.preferences.current() == {"service": "telkom"}


async def test_a_choice_of_a_dead_uplink_is_warned_of(tmp_path: Path) -> None:
    """The officer would wait for something that cannot happen yet."""
    async with running(tmp_path) as box:
        box.judge("telkom", dead(box, "telkom"))
        done = await call(box, "prefer", "telkom", "--class", "service")
        assert done.returncode == 0
        assert done.stderr == "warning: telkom is down; it is used once it is up\n"


async def test_a_choice_that_cannot_be_written_is_warned_of(tmp_path: Path) -> None:
    """After the next power cut the choice would be gone, and nobody was told that it might."""
    async with running(tmp_path) as box:
        (tmp_path / "preference.json.new").mkdir()
        done = await call(box, "prefer", "telkom", "--class", "service")
        assert done.returncode == 0
        assert "until a restart only: it could not be written down (Is a directory)" in done.stderr
        assert box.policy.assignment.service.uplink == "telkom"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["prefer", "indihome"], 1, "error: no uplink is named 'indihome'; known: pde, telkom"),
        (["prefer", "pde", "--class", "wifi"], 1, "error: wifi may not use pde; add it to classes.wifi.uplinks first"),
        (["prefer"], 2, "name an uplink, or write --clear"),
        (["prefer", "pde", "--clear"], 2, "--clear takes no uplink"),
        (["prefer", "pde", "--for", "soon"], 2, "'soon' is no span of time; write 90s, 5m, 2h, 1h30m or 3d"),
        (["prefer", "pde", "--for", "8d"], 2, "'8d' is not from 1 s to 7 d"),
        (["prefer", "pde", "--for", "0s"], 2, "'0s' is not from 1 s to 7 d"),
        (["prefer", "pde", "--class", "guests"], 2, "'guests' is not one of"),
        (["why", "--last", "0"], 2, "0 is not in the range"),
        (["--json", "why"], 2, "write the options behind why"),
    ],
)
async def test_what_is_refused(tmp_path: Path, arguments: list[str], code: int, sentence: str) -> None:
    """A slip of the pen would choose something else, or end in a traceback."""
    async with running(tmp_path) as box:
        done = await call(box, *arguments)
        assert done.returncode == code
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
        assert box.preferences.current() == {}


RUBBISH: list[dict[str, Any]] = [
    {"ask": "prefer"},
    {"ask": "prefer", "uplink": 5, "for_s": 60},
    {"ask": "prefer", "uplink": "pde"},
    {"ask": "prefer", "uplink": "pde", "for_s": "60"},
    {"ask": "prefer", "uplink": "pde", "for_s": True},
    {"ask": "prefer", "uplink": "pde", "for_s": float("nan")},
    {"ask": "prefer", "uplink": "pde", "for_s": 1e12},
    {"ask": "prefer", "uplink": "pde", "for_s": 60, "class": ["service"]},
    {"ask": "prefer", "clear": True, "class": 5},
    {"ask": "why", "last": True},
    {"ask": "why", "last": -1},
    {"ask": "why", "last": 10**6},
]


@pytest.mark.parametrize("question", RUBBISH, ids=json.dumps)
async def test_rubbish_on_the_socket_is_refused(tmp_path: Path, question: dict[str, Any]) -> None:
    """Another program's question would crash the door that all commands use."""
    async with running(tmp_path) as box:
        reader, writer = await asyncio.open_unix_connection(tmp_path / "control.sock")
        writer.write(json.dumps(question).encode() + b"\n")
        assert list(json.loads(await reader.readline())) == ["error"]
        writer.close()
        assert box.preferences.current() == {}


@pytest.mark.parametrize("arguments", [[], ["why"], ["prefer", "telkom"]])
async def test_without_a_daemon_one_sentence_and_1(tmp_path: Path, arguments: list[str]) -> None:
    """A script could not tell a stopped daemon from a broken command."""
    box = build(tmp_path)
    done = await call(box, *arguments)
    assert done.returncode == 1
    assert done.stderr == f"error: no daemon runs in {tmp_path}; start it: systemctl start kampung-edge\n"
