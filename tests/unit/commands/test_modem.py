"""How `kampung-edge modem` reads."""

from __future__ import annotations

import click
from click.testing import CliRunner

from edge.cli import main
from edge.commands.modem import lines
from edge.health import CONDITIONS, Raised
from edge.modem.status import ModemStatus
from edge.queue.store.mail import Figures
from edge.sms.standing import DOCTOR, Standing

NOW = 1_000_000.0


def shown(status: ModemStatus, figures: Figures, *raised: Raised) -> list[str]:
    standing = Standing(name="modem", status=status, figures=figures, hour_limit=60, day_limit=300, raised=raised)
    return [click.unstyle(line) for line in lines(standing.told(now=NOW))]


def test_a_modem_at_work_is_read_out_line_by_line() -> None:
    """A technician on the phone could not read out what matters."""
    status = ModemStatus(
        "ready",
        operator="TELKOMSEL",
        signal=71,
        registered=True,
        technology="LTE",
        device="/dev/ttyUSB0",
        manufacturer="huawei",
        model="E3372",
        firmware="21.180",
        imei="490154203237518",
        smsc="+6281100000",
        balance_rp=1_025_000,
        expires="2026-12-31",
        sim_used=0,
        sim_capacity=50,
        clock_skew_s=-400.0,
        calls_rejected=2,
        paused_until=NOW + 600,
    )
    figures = Figures(
        waiting={"reply": 1, "notification": 2, "digest": 0},
        uncertain=1,
        failed=0,
        hour=3,
        day=41,
        last_sent=NOW - 40,
        last_received=NOW - 310,
    )
    assert shown(status, figures) == [
        "modem: ready",
        "  device    /dev/ttyUSB0",
        "  model     huawei, E3372, firmware 21.180",
        "  IMEI      490154203237518",
        "  SIM       ready",
        "  network   TELKOMSEL, LTE, registered, signal 71%",
        "  SMSC      +6281100000",
        "  storage   0 of 50 messages on the SIM",
        "  balance   Rp 1.025.000, valid until 2026-12-31",
        "  budget    3 of 60 in the last hour, 41 of 300 in the last day",
        "  queue     3 pending (1 reply, 2 notification), 1 uncertain, 0 failed",
        "  last      sent 40 s ago, received 5 m 10 s ago",
        "  paused    notifications and digests, 10 m left",
        "  calls     2 rejected",
        "  clock     the network's time is 6 m 40 s behind this machine's",
        "It sends and receives: notifications and digests pause after repeated failures.",
    ]


def test_of_a_modem_that_is_away_only_what_is_known_is_said() -> None:
    """A dash for the signal reads as none, an old operator as the present one."""
    held = Raised(CONDITIONS["modem-missing"], "modem", "/dev/ttyUSB0 does not exist", NOW - 125)
    assert shown(ModemStatus("missing", rung="power", reason="not there"), Figures(), held) == [
        "modem: missing",
        "  SIM       unknown",
        "  recovery  power for 2 m 5 s: not there",
        "  budget    0 of 60 in the last hour, 0 of 300 in the last day",
        "  queue     0 pending, 0 uncertain, 0 failed",
        f"The modem cannot be reached; SMS wait: /dev/ttyUSB0 does not exist; {DOCTOR}.",
    ]


def test_options_of_the_group_are_not_lost_on_a_subcommand() -> None:
    """`modem --json doctor` would look accepted and print no JSON."""
    done = CliRunner().invoke(main, ["modem", "--json", "doctor"])
    assert done.exit_code == 2
    assert "write the options behind doctor" in done.stderr
