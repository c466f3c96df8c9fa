"""`kampung-edge sms send`, `list`, `show`, `resend`, `discard`: the SMS of the running daemon, by hand."""

from __future__ import annotations

import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from edge import exits
from edge.commands.common import config_option, end, json_option, print_json, run_dir, unanswered
from edge.commands.durations import Duration, spoken

Said = dict[str, Any]

_KINDS = ("reply", "notification", "digest")
_STATES = ("pending", "sending", "sent", "failed", "uncertain", "expired", "discarded")
_COLOURS = {"sent": "green", "failed": "red", "expired": "red", "uncertain": "yellow", "discarded": "yellow"}
_DAY_S = 86_400
_MOST_BYTES = 20_000
_LOOK_S = 0.5
_AWAY_S = 60.0
_id = click.argument("number", metavar="ID", type=click.IntRange(1, 1 << 62))
_yes = click.option("--yes", is_flag=True, help="Do not ask for the confirmation.")


class Moment(click.ParamType[float]):
    """A moment, as seconds from now: a span (``2h``), a time of day to come (``07:30``) or ISO 8601."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds until then; a usage error when it is past or no moment."""
        if not isinstance(value, str):
            return float(value)
        if value and value[-1] in "smhd":
            return Duration(0, 30 * _DAY_S).convert(value, param, ctx)
        now = datetime.now().astimezone()
        try:
            seconds = (_moment(value, now) - now).total_seconds()
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no moment; write 2h, 07:30 or 2026-11-23T07:30", param, ctx)
        if not 0 <= seconds <= 30 * _DAY_S:
            self.fail(f"{value!r} is past, or more than 30 days ahead", param, ctx)
        return seconds


def _moment(text: str, now: datetime) -> datetime:
    if len(text) > len("07:30"):
        return datetime.fromisoformat(text).astimezone()
    hour, _, minute = text.partition(":")
    then = now.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
    return then if then > now else then + timedelta(days=1)


@click.command("send", short_help="Send an SMS.")
@click.argument("number", metavar="NUMBER")
@click.argument("text", metavar="TEXT")
@config_option
@json_option
@click.option("--kind", type=click.Choice(_KINDS), default="reply", show_default=True, help="Its priority.")
@click.option("--expires", type=Duration(60, 30 * _DAY_S), metavar="SPAN", help="How long it is tried.")
@click.option("--not-before", type=Moment(), metavar="MOMENT", help="When it may leave: 2h, 07:30 or ISO 8601.")
@click.option("--transliterate", is_flag=True, help="Write typographic quotes and dashes plainly if that saves parts.")
@click.option("--wait", is_flag=True, help="Follow it to its end; the exit code says how that was.")
def send(
    number: str,
    text: str,
    path: Path,
    as_json: bool,
    kind: str,
    expires: float | None,
    not_before: float | None,
    transliterate: bool,
    wait: bool,
) -> None:
    """Send TEXT to NUMBER: it is queued durably, and sent even when this machine loses its power now.

    TEXT - is read from standard input. With --wait: 0 it was sent, 1 it failed, 5 nobody knows.

    \b
    Example: kampung-edge sms send 081234567890 "Rapat pukul 9 di balai desa." --wait
             kampung-edge sms send +6281234567890 - --kind notification --not-before 07:30 < pesan.txt
    """
    here = run_dir(path)
    question: Said = {"number": number, "text": _given(text), "kind": kind, "transliterate": transliterate}
    question |= {"wait_s": not_before} if not_before else {}
    question |= {"expires_s": expires} if expires else {}
    said = _ask(here, ask="sms-send", **question)
    if not as_json:
        parts = "1 part" if said["parts"] == 1 else f"{said['parts']} parts"
        click.echo(f"{said['id']}: queued for {said['to']}, {parts}, {said['encoding']}")
    for warning in said["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    code = 0
    if wait:
        last = _follow(here, said["id"], quiet=as_json)
        said, code = said | last, _code(last["state"])
        if not as_json:
            click.echo(_ended(last))
    if as_json:
        print_json(said)
    sys.exit(code)


@click.command("list", short_help="List SMS that go out, or came in.")
@config_option
@json_option
@click.option("--state", "states", type=click.Choice(_STATES), multiple=True, help="Only these; may be repeated.")
@click.option("--inbox", is_flag=True, help="What came in instead.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True, help="How many, newest last.")
def list_(path: Path, as_json: bool, states: tuple[str, ...], inbox: bool, limit: int) -> None:
    """List the last SMS that were to be sent, or with --inbox those received. Numbers are masked, texts not shown.

    \b
    Example: kampung-edge sms list --state failed --state uncertain
             kampung-edge sms list --inbox --limit 10
    """
    if inbox and states:
        raise click.UsageError("--state is about what is sent; leave it out with --inbox")
    said = _ask(run_dir(path), ask="sms-list", states=list(states), inbox=inbox, limit=limit)
    if as_json:
        print_json(said)
        return
    for row in said["messages"]:
        click.echo(_received(row) if inbox else _outgoing(row))
    if not said["messages"]:
        click.echo("there is none", err=True)


@click.command("show", short_help="Show what became of an SMS.")
@_id
@config_option
@json_option
def show(number: int, path: Path, as_json: bool) -> None:
    """Show what became of the SMS ID: its parts, tries, errors and delivery reports. Its text is not shown.

    \b
    Example: kampung-edge sms show 17
    """
    said = _ask(run_dir(path), ask="sms-show", id=number)
    if as_json:
        print_json(said)
        return
    for line in _shown(said):
        click.echo(line)


@click.command("resend", short_help="Send an SMS again that was given up.")
@_id
@config_option
@json_option
@_yes
def resend(number: int, path: Path, as_json: bool, yes: bool) -> None:
    """Send the SMS ID again, which failed, expired or is uncertain; parts known as taken are not sent twice.

    \b
    Example: kampung-edge sms resend 17
    """
    _change(number, path, "sms-resend", "Send it again?", as_json=as_json, yes=yes)


@click.command("discard", short_help="Give an SMS up.")
@_id
@config_option
@json_option
@_yes
def discard(number: int, path: Path, as_json: bool, yes: bool) -> None:
    """Give the SMS ID up, which waits, failed, expired or is uncertain: it is never sent, and no longer counted.

    \b
    Example: kampung-edge sms discard 17 --yes
    """
    _change(number, path, "sms-discard", "Give it up?", as_json=as_json, yes=yes)


COMMANDS = (send, list_, show, resend, discard)


def _change(number: int, path: Path, name: str, asked: str, *, as_json: bool, yes: bool) -> None:
    here = run_dir(path)
    if not yes:
        click.echo(_outgoing(_ask(here, ask="sms-show", id=number)), err=True)
        click.confirm(asked, abort=True, err=True)
    said = _ask(here, ask=name, id=number)
    if as_json:
        print_json(said)
    else:
        click.echo(f"{number}: {said['state']}")


def _ask(here: Path, /, **question: Any) -> Said:
    """The daemon's answer; without one the command ends with a sentence."""
    from edge.control import NotRunning, Refused, ask

    try:
        return ask(here, question)
    except (NotRunning, Refused) as error:
        unanswered(error)


def _follow(here: Path, number: int, *, quiet: bool) -> Said:
    """The message once it is over; a daemon that is started again meanwhile is waited for."""
    from edge.control import NotRunning, Refused, ask

    told, away_since = "", None
    while True:
        try:
            said, away_since = ask(here, {"ask": "sms-show", "id": number}), None
        except (NotRunning, Refused) as error:
            away_since = away_since or time.monotonic()
            if time.monotonic() - away_since > _AWAY_S:
                end(f"{number} is queued, but what became of it is not known: {error}", exits.FAILED)
        else:
            if said["over"]:
                return said
            if not quiet and sys.stderr.isatty() and (now := _progress(said)) != told:
                click.echo(told := now, err=True)
        time.sleep(_LOOK_S)


def _progress(said: Said) -> str:
    taken = sum(part["state"] == "taken" for part in said["parts"])
    of = f", {taken} of {len(said['parts'])} parts taken" if len(said["parts"]) > 1 else ""
    why = f" ({said['why']})" if said["why"] else ""
    return f"{said['id']}: {said['state']}{of}{why}"


def _ended(said: Said) -> str:
    state = click.style(said["state"], fg=_COLOURS.get(said["state"]))
    return f"{said['id']}: {state}" + (f": {why}" if (why := _why(said)) else "")


def _why(row: Said) -> str:
    """The last error of what is not sent: an earlier one, since overcome, would look like a doubt."""
    return "" if row["state"] == "sent" else str(row["why"])


def _code(state: str) -> int:
    codes = {"sent": 0, "uncertain": exits.UNCERTAIN}
    return codes.get(state, exits.FAILED)


def _given(text: str) -> str:
    """TEXT, or standard input for ``-``."""
    if text != "-":
        return text
    data = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        end(f"standard input holds more than {_MOST_BYTES} bytes, too much for an SMS", exits.CONFIGURATION)
    try:
        return data.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        end("standard input is not UTF-8; save the text as UTF-8", exits.CONFIGURATION)


def _when(moment: float | None) -> str:
    return "-" if moment is None else f"{datetime.fromtimestamp(moment).astimezone():%Y-%m-%d %H:%M:%S}"


def _outgoing(row: Said) -> str:
    state = click.style(f"{row['state']:9}", fg=_COLOURS.get(row["state"]))
    more = [f"try {row['attempts']}" if row["attempts"] > 1 else "", _delivered(row["delivered"]), _why(row)]
    facts = f"{row['id']:6}  {_when(row['created_at'])}  {row['kind']:12} {state} {row['to']:15}"
    return f"{facts}  {'; '.join(part for part in more if part)}".rstrip()


def _received(row: Said) -> str:
    handled = row["outcome"] or ("handled" if row["handled"] else "waits")
    return f"{row['id']:6}  {_when(row['received_at'])}  {row['from']:15} {handled}"


def _delivered(delivered: bool | None) -> str:
    return {None: "", True: "delivered", False: "not delivered"}[delivered]


def _shown(said: Said) -> list[str]:
    state = click.style(said["state"], fg=_COLOURS.get(said["state"]), bold=True)
    facts = (
        ("to", said["to"]),
        ("kind", f"{said['kind']} ({said['code']})"),
        ("modem", said["modem"]),
        ("queued", _when(said["created_at"])),
        ("waits", _waits(said)),
        ("expires", said["expires_at"] and _when(said["expires_at"])),
        ("tries", f"{said['attempts']}, the last {_when(said['sending_at'])}" if said["attempts"] else "none"),
        ("doubts", said["uncertain"] and f"{said['uncertain']} ambiguous"),
        ("ended", said["settled_at"] and _when(said["settled_at"])),
        ("earlier" if said["state"] == "sent" else "error", said["why"]),
        ("report", _delivered(said["delivered"])),
    )
    return [
        f"{said['id']}: {state}",
        *(f"  {label:8} {fact}" for label, fact in facts if fact),
        *(_part(part, len(said["parts"])) for part in said["parts"]),
    ]


def _waits(said: Said) -> str:
    if said["state"] != "pending" or not said["wait_s"]:
        return ""
    return f"{spoken(said['wait_s'])} until the next try"


def _part(part: Said, total: int) -> str:
    facts = [part["state"], f"TP-MR {part['reference']}" if part["reference"] is not None else ""]
    facts += [f"at {_when(part['taken_at'])}" if part["taken_at"] else "", _delivered(part["delivered"])]
    return f"  part {part['sequence']} of {total}: {', '.join(fact for fact in facts if fact)}"
