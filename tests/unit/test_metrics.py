"""Metrics: every event is counted, every name documented and fit for Prometheus, every label bounded."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from edge import events
from edge.metrics import OTHER, OUTCOME_OF, OUTCOMES, SEND_RESULTS, Bounded, Metrics, Snapshot
from edge.modem.status import ModemStatus
from edge.queue.store.mail import Figures
from edge.sms.replies import TEMPLATES
from tests.unit.metrics_samples import FULL, MANY

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"
BARE = Snapshot(version="1.2.3", clock_trusted=False)


def counted(*seen: events.Event, snapshot: Snapshot = BARE) -> dict[str, float]:
    """The samples after these events, by their name with labels as Prometheus writes them."""
    metrics = Metrics(lambda: snapshot)
    for event in seen:
        metrics.observe(event)
    return samples(metrics)


def samples(metrics: Metrics) -> dict[str, float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        sample.name.removeprefix("kampung_edge_") + _labels(sample.labels.items()): sample.value
        for family in families
        for sample in family.samples
    }


def _labels(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f" {name}={value}" for name, value in sorted(pairs))


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        (
            events.UplinkJudged("pde", "degraded", "lossy", 0.2, 300.0),
            {
                "uplink_level level=up uplink=pde": 0,
                "uplink_level level=degraded uplink=pde": 1,
                "uplink_level level=down uplink=pde": 0,
                "uplink_loss_ratio uplink=pde": 0.2,
            },
        ),
        (
            events.ProbeAnswered("pde", "1.1.1.1", 25.0),
            {
                "probe_rtt_seconds_bucket le=0.01 uplink=pde": 0,
                "probe_rtt_seconds_bucket le=0.03 uplink=pde": 1,
                "probe_rtt_seconds_count uplink=pde": 1,
                "probe_rtt_seconds_sum uplink=pde": 0.025,
                "probes_lost_total uplink=pde": 0,
            },
        ),
        (events.ProbeAnswered("pde", "1.1.1.1", None), {"probes_lost_total uplink=pde": 1}),
        (
            events.ClassMoved("service", "pde", "telkom", "pde is down"),
            {"class_moves_total class=service": 1, "class_moves_total class=wifi": 0},
        ),
        (events.TrafficSwitched(("wifi",), 0.002, 0.25), {"switch_seconds_count": 1, "switch_seconds_sum": 0.25}),
        (events.HostReconciled(3, 0.5), {"reconcile_changes_total": 3, "reconcile_seconds_sum": 0.5}),
        (events.SmsReceived("modem"), {"sms_parts_received_total modem=modem": 1}),
        (events.SmsHandled("RECEIVED"), {"sms_handled_total outcome=filed": 1}),
        (events.SmsHandled("NIK_FORM"), {"sms_handled_total outcome=incomplete": 1}),
        (events.SmsHandled("ignore"), {"sms_handled_total outcome=ignored": 1}),
        (events.SmsHandled("SOMETHING_NEW"), {"sms_handled_total outcome=other": 1}),
        (
            events.SmsSent("modem", "reply", "uncertain"),
            {"sms_sent_total kind=reply modem=modem result=uncertain": 1},
        ),
        (events.RequestAccepted("desk", "SKTM"), {"requests_accepted_total source=desk": 1}),
        (
            events.Forwarded("delivered", 2, 9.0),
            {"outbox_attempts_total result=delivered": 1, "outbox_delay_seconds_sum": 9.0},
        ),
        (events.Forwarded("retry", 2, 9.0), {"outbox_attempts_total result=retry": 1, "outbox_delay_seconds_count": 0}),
        (events.StatusReceived("completed"), {"status_changes_total state=completed": 1}),
        (events.PartFailed("web", "KeyError", 1.0), {"part_failures_total part=web": 1}),
    ],
)
def test_an_event_is_counted(event: events.Event, wanted: dict[str, float]) -> None:
    """A graph would stay flat while the thing it shows happens."""
    got = counted(event)
    assert {name: got.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("kind", get_args(events.Event))
def test_every_type_of_event_is_known(kind: type[events.Event]) -> None:
    """A new fact would crash the room that announces it."""
    of_this_kind = [event for event in MANY if type(event) is kind]
    assert of_this_kind
    before = counted()
    assert counted(*of_this_kind) != before


def test_a_value_that_is_no_event_is_a_bug() -> None:
    """An event without a metric would vanish silently."""
    with pytest.raises(TypeError, match="no metric counts str"):
        Metrics(lambda: BARE).observe("hello")


def test_a_second_verdict_replaces_the_first() -> None:
    """An uplink would show as up and down at once."""
    got = counted(events.UplinkJudged("pde", "up", "", 0, 9.0), events.UplinkJudged("pde", "down", "carrier", 1, None))
    assert [got[f"uplink_level level={level} uplink=pde"] for level in ("up", "degraded", "down")] == [0, 0, 1]


def test_the_snapshot_of_the_moment_is_shown() -> None:
    """Gauges would show the state at the daemon's start, or none."""
    got = counted(snapshot=FULL)
    wanted = {
        "build_info version=1.2.3": 1,
        "clock_trusted": 1,
        "condition code=uplink-down severity=error": 2,
        "condition code=store-full severity=error": 0,
        "class_uplink class=service uplink=telkom": 1,
        "class_uplink class=wifi uplink=none": 1,
        "outbox_waiting": 3,
        "outbox_oldest_seconds": 61.5,
        "outbox_dead": 1,
        "portal_contact_age_seconds": 12,
        "staff_unread": 2,
        "store_written_bytes": 9_000_000,
        "store_written_day_bytes": 4_000_000,
        "modem_ready modem=modem": 1,
        "modem_registered modem=modem": 1,
        "modem_signal_ratio modem=modem": 0.75,
        "modem_rung modem=modem": 3,
        "modem_sim_messages modem=modem": 3,
        "modem_sim_capacity modem=modem": 50,
        "modem_balance_rupiah modem=modem": 25_000,
        "modem_calls_rejected modem=modem": 2,
        "sms_waiting kind=reply modem=modem": 2,
        "sms_waiting kind=digest modem=modem": 0,
        "sms_uncertain modem=modem": 1,
        "sms_failed modem=modem": 4,
        "sms_sent_age_seconds modem=modem": 10,
        "sms_received_age_seconds modem=modem": 600,
        "host_cpu_ratio": 0.055,
        "host_memory_ratio": 0.4,
        "host_disk_ratio": 0.125,
        "host_uptime_seconds": 3_600,
    }
    assert {name: got.get(name) for name in wanted} == pytest.approx(wanted)


def test_what_is_not_known_is_left_out() -> None:
    """A village without a modem would show one with no signal."""
    got = counted(snapshot=BARE)
    assert not {"modem_registered", "modem_ready", "outbox_waiting", "host_cpu_ratio"} & {
        name.split()[0] for name in got
    }
    assert got["clock_trusted"] == 0


def test_what_is_not_known_of_a_modem_is_left_out() -> None:
    """An unknown balance would be shown as an empty SIM, and a modem that is away as one that was just used."""
    modem = replace(FULL.modems[0], status=ModemStatus(), figures=Figures())
    got = counted(snapshot=replace(FULL, modems=(modem,)))
    shown = {name.split()[0] for name in got}
    assert not {"modem_balance_rupiah", "modem_signal_ratio", "modem_sim_messages", "sms_sent_age_seconds"} & shown
    assert (got["modem_ready modem=modem"], got["modem_rung modem=modem"]) == (0, 0)


def test_each_of_several_modems_has_its_own_figures() -> None:
    """One modem's trouble would hide behind the other, and what any may send be counted twice."""
    second = replace(FULL.modems[0], name="second", status=ModemStatus("silent", rung="warp"))
    snapshot = replace(FULL, modems=(FULL.modems[0], second), sms_unassigned={"reply": 7})
    got = counted(snapshot=snapshot)
    assert (got["modem_ready modem=modem"], got["modem_ready modem=second"]) == (1, 0)
    assert got["modem_rung modem=second"] == 6  # a rung of a newer version is at least seen
    assert got["sms_waiting kind=reply modem=any"] == 7


def test_the_counters_of_a_configured_modem_start_at_nought() -> None:
    """The first failed SMS after a start would be no increase, and no alert would ring."""
    got = samples(Metrics(lambda: BARE, modems=("modem",)))
    assert {got[f"sms_sent_total kind=reply modem=modem result={result}"] for result in SEND_RESULTS} == {0}
    assert got["sms_parts_received_total modem=modem"] == 0


def test_a_snapshot_is_asked_for_at_each_scrape_only() -> None:
    """Registering would ask parts that are not built yet, or a scrape show an old state."""
    asked: list[int] = []

    def snapshot() -> Snapshot:
        asked.append(1)
        return Snapshot(version="1", clock_trusted=len(asked) > 1)

    metrics = Metrics(snapshot)
    assert not asked
    assert [samples(metrics)["clock_trusted"] for _ in range(2)] == [0, 1]


@given(st.lists(st.text(max_size=40), max_size=100))
def test_labels_are_bounded_whatever_comes(names: list[str]) -> None:
    """A flood of odd names would fill the memory of the box and of Prometheus."""
    bounded = Bounded(8)
    got = {bounded(name) for name in names}
    assert len(got - {OTHER}) <= 8
    assert all(re.fullmatch(r"[A-Za-z][\w.\-]{0,31}", value, re.ASCII) for value in got)


def test_no_free_text_becomes_a_label() -> None:
    """A phone number or an address in an event's text would be stored for years."""
    nasty = "+6281234567890 Siti"
    text = Metrics(lambda: BARE)
    for event in (
        events.UplinkJudged(nasty, "up", nasty, 0, None),
        events.ProbeAnswered(nasty, nasty, 1.0),
        events.ClassMoved(nasty, nasty, nasty, nasty),
        events.SmsReceived(nasty),
        events.SmsSent(nasty, nasty, "sent"),
        events.SmsHandled(nasty),
        events.RequestAccepted(nasty, nasty),
        events.StatusReceived(nasty),
        events.PartFailed(nasty, nasty, 1.0),
    ):
        text.observe(event)
    assert b"Siti" not in text.render()
    assert b"62812" not in text.render()


def test_the_outbox_is_shown_by_lane_and_state() -> None:
    """An alert on what waits, on dead letters or on a certificate would be silent."""
    got = counted(snapshot=FULL)
    assert got["outbox_rows lane=request state=waiting"] == 2
    assert got["outbox_rows lane=event state=dead"] == 1
    assert got["outbox_rows lane=sms state=waiting"] == 0
    assert got["outbox_bytes lane=request"] == 500
    assert got["portal_circuit state=half-open"] == 1
    assert got["portal_circuit state=closed"] == 0
    assert got["certificate_not_after_seconds whose=portal"] == 1_800_000_000
    assert got["certificate_not_after_seconds whose=other"] == 1
    assert got["installation_epoch"] == 3
    assert not [name for name in counted(snapshot=BARE) if "circuit" in name or "outbox_rows" in name]


def test_a_two_uplink_box_stays_well_under_220_series() -> None:
    """217 boxes would fill the regency's Prometheus."""
    bare = replace(FULL, devices=())
    assert 90 < len(counted(*MANY, snapshot=bare)) < 220
    assert len(counted(*MANY, snapshot=FULL)) - len(counted(*MANY, snapshot=bare)) <= 2 * 10 + 5


def test_no_created_series() -> None:
    """Each counter would cost two series."""
    assert not [name for name in counted(*MANY, snapshot=FULL) if name.split()[0].endswith("_created")]


def test_promtool_finds_nothing_to_say() -> None:
    """A name, unit or type would break the conventions that dashboards rely on."""
    promtool = shutil.which("promtool")
    assert promtool, "promtool is not installed: apt-get install prometheus"
    metrics = Metrics(lambda: FULL)
    for event in MANY:
        metrics.observe(event)
    checked = subprocess.run([promtool, "check", "metrics"], input=metrics.render(), capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_every_metric_has_its_line_with_type_and_labels() -> None:
    """Someone at the regency would meet a number that nobody explained."""
    metrics = Metrics(lambda: FULL)
    for event in MANY:
        metrics.observe(event)
    lines = dict(re.findall(r"^\| `(kampung_edge_\w+)` \| (.+) \|$", DOCS.read_text(), re.MULTILINE))
    shown = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        name = family.name + "_total" * (family.type == "counter")
        shown[name] = (family.type, {label for sample in family.samples for label in sample.labels} - {"le"})
    assert set(lines) == set(shown)
    for name, (kind, labels) in shown.items():
        described, documented, *_ = lines[name].split(" | ") if " | " in lines[name] else (lines[name], "")
        assert (name, described) == (name, kind)
        assert (name, set(re.findall(r"`(\w+)`", documented))) == (name, labels)


def test_every_answer_to_an_sms_has_its_outcome() -> None:
    """A new reply would hide among the others in the graph of handled SMS."""
    unasked = {"RETURNED", "DRAFT_EXPIRED", "STAFF_ALERT", "MISSING", "COMPLETED", "REJECTED", "OVERDUE"}
    unasked |= {"RT_CONFIRM", "RT_MISSING", "RT_COMPLETED"}
    assert set(TEMPLATES) - unasked == {code for code in OUTCOME_OF if code.isupper()}


def test_every_outcome_is_explained() -> None:
    """A graph of handled SMS would have a line without a meaning."""
    text = DOCS.read_text()
    assert [outcome for outcome in OUTCOMES if f"`{outcome}`" not in text] == []
