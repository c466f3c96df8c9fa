"""`kampung-edge sms send|list|show|resend|discard` and `modem`: real processes, control socket and store."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge.clock import SystemClock
from edge.config import Sms
from edge.control import Refused
from edge.modem import concat
from edge.queue.store.database import Store, StoreUncertain
from edge.queue.store.messages import Messages, Part
from edge.sms.by_hand import CODE, MOST_WAITING, ByHand
from tests.contract.sms_rig import MASKED, NUMBER, SEAL, TEXT, Box, StillClock, box, call
from tests.unit.config_mistakes import DATA

__all__ = ["box"]


async def test_a_message_is_queued_durably_and_told_masked(box: Box) -> None:
    """The office would believe in an SMS that a power cut takes away, or the journal hold a citizen's number."""
    done = await call(box, "send", "0812-3456-7001", TEXT, "--kind", "notification", "--expires", "2h")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"1: queued for {MASKED}, 1 part, gsm7\n"
    row = await box.row(1)
    assert (row["state"], row["code"]) == ("pending", CODE)
    assert row["expires_at"] == pytest.approx(SystemClock().wall() + 7_200, abs=60)
    ((kind, subject, detail),) = await box.audited()
    assert (kind, subject) == ("sms-send", "1")
    assert TEXT not in detail
    assert "62812" not in detail


async def test_a_text_from_standard_input_with_a_moment(box: Box) -> None:
    """A long or quoted text could not be sent, or one meant for tomorrow wake a family tonight."""
    text = "Yth. Bapak/Ibu,\n“rapat” 🎉\n"
    done = await call(box, "send", NUMBER, "-", "--not-before", "2h", "--json", given=text.encode())
    said = json.loads(done.stdout)
    assert (done.returncode, said["parts"], said["encoding"]) == (0, 1, "ucs2")
    assert said["not_before"] == pytest.approx(SystemClock().wall() + 7_200, abs=60)
    (kept,) = await box.store.read(lambda conn: conn.execute("SELECT text, number_digest FROM outgoing").fetchall())
    assert SEAL.open(kept[0], f"outgoing.text:{kept[1].hex()}") == text.rstrip("\n")


REFUSED: tuple[tuple[tuple[str, ...], bytes | None, int, str], ...] = (
    (("SITI", TEXT), None, 1, "the number is not one"),
    ((NUMBER, "a" * 1531), None, 1, "the text needs 11 parts"),
    ((NUMBER, "-"), b"\xff\xfe", 2, "not UTF-8"),
    ((NUMBER, "-"), b"a" * 20_001, 2, "more than 20000 bytes"),
    ((NUMBER, TEXT, "--not-before", "2001-01-01T00:00"), None, 2, "is past"),
)


async def test_what_cannot_be_sent_is_refused(box: Box) -> None:
    """A wrong message would go out, or a traceback be all that is seen."""
    for arguments, given, code, sentence in REFUSED:
        done = await call(box, "send", *arguments, given=given)
        assert (done.returncode, done.stdout) == (code, b"")
        assert sentence in done.stderr.decode()
        assert b"Traceback" not in done.stderr
    assert await box.store.read(box.messages.outgoing.pending) == 0


async def test_what_hinders_the_modem_is_said_at_once(box: Box) -> None:
    """Somebody would wait for an SMS while the SIM lies in a drawer."""
    box.hindered = ("modem: The SIM needs a person.",)
    done = await call(box, "send", NUMBER, TEXT)
    assert done.returncode == 0
    assert done.stderr.decode() == "warning: modem: The SIM needs a person.\n"


class Doubtful(Store):
    """Keeps everything, on a disk that then fails."""

    async def write(self, work: Callable[[sqlite3.Connection], Any], *, draining: bool = False) -> Any:
        await super().write(work, draining=draining)
        raise StoreUncertain("it may be kept or not, repeat it")


async def test_a_disk_that_fails_at_the_commit_has_nobody_send_it_twice(tmp_path: Path) -> None:
    """Whoever is told to repeat it would have a citizen get the same SMS twice."""
    store = await Doubtful.open(tmp_path / "box.db", max_mbyte=8, group_commit_ms=0)
    by_hand = ByHand(store, Messages(SEAL), SEAL, Sms(), clock=SystemClock(), wake=lambda: None)
    with pytest.raises(Refused, match="look at kampung-edge sms list before you ask again"):
        await by_hand.handlers()["sms-send"]({"number": NUMBER, "text": TEXT})
    assert await store.read(Messages(SEAL).outgoing.pending) == 1
    await store.close()


async def test_what_waits_for_the_morning_says_so(box: Box) -> None:
    """A notification sent at ten in the evening would seem lost."""
    at_ten = datetime(2026, 11, 22, 22, tzinfo=UTC).timestamp() - 7 * 3_600  # by the village's clock
    by_hand = ByHand(box.store, Messages(SEAL), SEAL, Sms(), clock=StillClock(at_ten), wake=lambda: None)
    send = by_hand.handlers()["sms-send"]
    wish = {"number": NUMBER, "text": TEXT}
    assert (await send(wish))["warnings"] == []
    assert (await send(wish | {"kind": "notification"}))["warnings"] == [
        "a notification waits for the end of the quiet hours at 05:30"
    ]
    assert (await send(wish | {"kind": "notification", "wait_s": 10 * 3_600}))["warnings"] == []


@pytest.mark.parametrize(("end", "code"), [("sent", 0), ("failed", 1), ("expired", 1), ("uncertain", 5)])
async def test_waiting_ends_with_the_message(box: Box, end: str, code: int) -> None:
    """A script would take a lost SMS for a sent one."""
    queued = asyncio.Event()
    box.store.watch("outgoing", queued.set)
    waiting = asyncio.create_task(call(box, "send", NUMBER, TEXT, "--wait"))
    async with asyncio.timeout(30):
        await queued.wait()
    await box.become(1, "uncertain", settle_at=SystemClock().wall() + 60)  # more is to come of this one
    await box.become(1, end, settle_at=None, error="because" if code else "")
    done = await waiting
    assert done.returncode == code
    assert done.stdout.decode().splitlines()[1] == f"1: {end}" + (": because" if code else "")


async def test_whoever_waits_at_a_terminal_sees_how_it_goes(box: Box) -> None:
    """A message of many parts takes a minute: a person would take the command for hung."""
    here, there = os.openpty()
    line = (sys.executable, "-m", "edge", "sms", "send", NUMBER, TEXT, "--wait", "--config", str(box.file))
    process = await asyncio.create_subprocess_exec(*line, stdout=subprocess.PIPE, stderr=there)
    os.close(there)
    seen = b""
    loop = asyncio.get_running_loop()

    async def until(words: str) -> None:
        nonlocal seen
        async with asyncio.timeout(30):
            while words not in seen.decode():
                readable = asyncio.Event()
                loop.add_reader(here, readable.set)
                await readable.wait()
                loop.remove_reader(here)
                seen += os.read(here, 4096)

    await until("1: pending")
    await box.part(1, 1, "taken")
    await box.part(1, 2, "given")
    await box.become(1, "sending")
    await until("1: sending, 1 of 2 parts taken")
    await box.become(1, "sent")
    said, _ = await asyncio.wait_for(process.communicate(), 30)
    os.close(here)
    assert (process.returncode, said.decode().splitlines()[-1]) == (0, "1: sent")


async def test_the_list_shows_states_and_no_secrets(box: Box) -> None:
    """A dead letter would stay unseen, or a citizen's number and words be read over a shoulder."""
    for state in ("sent", "failed", "uncertain"):
        await box.become(await box.queue(), state, error="+CMS ERROR: 28" if state == "failed" else "")
    await box.become(1, "sent", delivered=1)
    done = await call(box, "list")
    lines = done.stdout.decode().splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
    assert lines[0].endswith("delivered")
    assert lines[1].endswith("+CMS ERROR: 28")
    assert all(MASKED in line for line in lines)
    assert TEXT not in done.stdout.decode()
    assert NUMBER not in done.stdout.decode()
    chosen = await call(box, "list", "--state", "failed", "--state", "uncertain", "--limit", "1", "--json")
    assert [row["id"] for row in json.loads(chosen.stdout)["messages"]] == [3]


async def test_the_inbox_shows_who_wrote_and_what_became_of_it(box: Box) -> None:
    """Nobody could tell a citizen on the phone whether the SMS came."""
    for sender, alphanumeric in ((NUMBER, False), ("TELKOMSEL", True), ("08123456789", True)):
        part = Part(
            modem="modem",
            sender=sender,
            alphanumeric=alphanumeric,
            text=TEXT,
            timestamp="",
            reference=None,
            total=1,
            sequence=1,
            pdu=sender,
        )
        await box.store.write(partial(box.messages.add_part, part=part, now=1e9, assemble=concat.assemble))
    await box.store.write(partial(box.messages.handled, inbound=1, outcome="HELP", now=1e9))
    done = await call(box, "list", "--inbox")
    first, second, third = done.stdout.decode().splitlines()
    assert first.split() == ["1", "2001-09-09", "08:46:40", MASKED, "HELP"]
    assert second.split() == ["2", "2001-09-09", "08:46:40", "TELKOMSEL", "waits"]
    assert "3456" not in third  # a number written as a name
    assert TEXT not in done.stdout.decode()


async def test_a_message_is_shown_with_its_parts(box: Box) -> None:
    """Which part of a long message failed, and whether it was delivered, would be known to nobody."""
    message = await box.queue()
    await box.become(message, "uncertain", attempts=2, uncertain=1, error="no answer", modem="modem", sending_at=1e9)
    await box.part(message, 1, "taken", told=200, taken_at=1e9, delivered=1)
    await box.part(message, 2, "given")
    shown = (await call(box, "show", str(message))).stdout.decode().splitlines()
    assert shown[0] == f"{message}: uncertain"
    assert f"  to       {MASKED}" in shown
    assert "  tries    2, the last 2001-09-09 08:46:40" in shown
    assert shown[-2:] == [
        "  part 1 of 2: taken, TP-MR 200, at 2001-09-09 08:46:40, delivered",
        "  part 2 of 2: given, TP-MR 7",
    ]
    missing = await call(box, "show", "99")
    assert (missing.returncode, missing.stdout) == (1, b"")
    assert "there is no SMS 99" in missing.stderr.decode()


async def test_what_was_given_up_is_sent_again(box: Box) -> None:
    """A dead letter could only be typed anew, and parts that were taken go out twice."""
    for times, state in enumerate(("failed", "expired", "uncertain"), 1):
        message = await box.queue()
        await box.become(message, state, attempts=60, error="no", expires_at=5.0, settle_at=None, modem="modem")
        await box.part(message, 1, "taken")
        assert await box.ask("sms-resend", id=message) == {"id": message, "state": "pending"}
        row = await box.row(message)
        assert (row["state"], row["attempts"], row["error"], row["modem"]) == ("pending", 0, "", "modem")
        assert row["expires_at"] > SystemClock().wall()
        assert box.woken == times
        (part,) = (await box.ask("sms-show", id=message))["parts"]
        assert part["state"] == "taken"
        assert ("sms-resend", str(message), "by hand") in await box.audited()


async def test_a_message_of_which_nothing_left_may_go_by_any_modem(box: Box) -> None:
    """It would wait for a modem that was taken away."""
    message = await box.queue()
    await box.become(message, "failed", modem="gone")
    await box.ask("sms-resend", id=message)
    assert (await box.row(message))["modem"] == ""


async def test_what_waits_or_was_given_up_may_be_discarded(box: Box) -> None:
    """A wrong message could not be stopped, and an alert for a dead letter never end."""
    for state in ("pending", "failed", "expired", "uncertain"):
        message = await box.queue()
        await box.become(message, state, settle_at=5.0 if state == "uncertain" else None)
        assert await box.ask("sms-discard", id=message) == {"id": message, "state": "discarded"}
        row = await box.row(message)
        assert (row["state"], row["settle_at"]) == ("discarded", None)
        assert (await box.ask("sms-show", id=message))["over"]


async def test_what_left_or_is_leaving_is_not_touched(box: Box) -> None:
    """A citizen would get it twice, or the modem's journal tell a lie."""
    for state in ("sent", "sending", "discarded"):
        message = await box.queue()
        await box.become(message, state)
        for name in ("sms-resend", "sms-discard"):
            with pytest.raises(Refused, match=f"SMS {message} is {state}; this is for one that is"):
                await box.ask(name, id=message)
        assert (await box.row(message))["state"] == state
    assert box.woken == 0


async def test_a_change_is_confirmed_first(box: Box) -> None:
    """A mistyped id would send somebody else's message again."""
    message = await box.queue()
    await box.become(message, "failed", error="+CMS ERROR: 28")
    refused = await call(box, "resend", str(message), given=b"n\n")
    assert refused.returncode == 1
    assert "+CMS ERROR: 28" in refused.stderr.decode()
    assert "Send it again?" in refused.stderr.decode()
    assert (await box.row(message))["state"] == "failed"
    agreed = await call(box, "resend", str(message), given=b"y\n")
    assert (agreed.returncode, (await box.row(message))["state"]) == (0, "pending")


async def test_the_queue_by_hand_is_bounded(box: Box) -> None:
    """A script gone wild would fill the store and use up the SIM for days."""
    await box.queue_many(MOST_WAITING)
    with pytest.raises(Refused, match="500 SMS wait already"):
        await box.ask("sms-send", number=NUMBER, text=TEXT)


ODD: tuple[tuple[str, dict[str, Any]], ...] = (
    ("sms-send", {"number": NUMBER, "text": 5}),
    ("sms-list", {"limit": 0}),
    ("sms-list", {"limit": 5, "states": "failed"}),
    ("sms-list", {"limit": 5, "states": [[]]}),
    ("sms-show", {"id": "1"}),
    ("sms-show", {"id": True}),
    ("sms-resend", {}),
    ("sms-discard", {"id": 1 << 63}),
)


async def test_an_odd_question_is_refused(box: Box) -> None:
    """A faulty program would crash the handler."""
    for name, question in ODD:
        with pytest.raises(Refused):
            await box.ask(name, **question)


async def test_without_a_daemon_it_says_what_to_do(tmp_path: Path) -> None:
    """A traceback would be all that somebody sees who tries the command first."""
    file = tmp_path / "village.toml"
    file.write_text(f'run_dir = "{tmp_path}"\n' + (DATA / "warning-kind.toml").read_text())
    for command, arguments in (("sms", ("send", NUMBER, TEXT)), ("sms", ("list",)), ("modem", ())):
        line = [sys.executable, "-m", "edge", command, *arguments, "--config", str(file)]
        done = await asyncio.to_thread(subprocess.run, line, capture_output=True, check=False, timeout=60)
        assert (done.returncode, done.stdout) == (1, b"")
        assert "systemctl start kampung-edge" in done.stderr.decode()


async def test_the_modem_command_ends_with_what_holds(box: Box) -> None:
    """A watchdog script could not tell a modem that works from one that does not."""
    able = {"modems": [{"able": True}]}

    async def handler(_question: dict[str, Any]) -> dict[str, Any]:
        return able

    box.control.offer({"modem": handler})
    done = await call(box, "--json", command="modem")
    assert (done.returncode, json.loads(done.stdout)) == (0, able)
    able["modems"].append({"able": False})
    assert (await call(box, "--json", command="modem")).returncode == 1
    able["modems"].clear()
    none = await call(box, command="modem")
    assert (none.returncode, none.stdout) == (1, b"")
    assert "without a [modem]" in none.stderr.decode()


async def test_no_time_is_reckoned_by_a_clock_that_is_not_set(box: Box) -> None:
    """After a power cut without NTP an SMS would expire in the second in which the clock jumps to the right year."""
    box.clock.sure = False
    answer = await box.ask("sms-send", number=NUMBER, text=TEXT)
    assert answer["expires_at"] is None
    assert (await box.row(answer["id"]))["expires_at"] is None
    await box.become(answer["id"], "failed", expires_at=5.0)
    await box.ask("sms-resend", id=answer["id"])
    assert (await box.row(answer["id"]))["expires_at"] is None
    with pytest.raises(Refused, match="does not know the time"):
        await box.ask("sms-send", number=NUMBER, text=TEXT, wait_s=60.0)
