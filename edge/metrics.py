"""Metrics: events become counters, a snapshot becomes gauges at a scrape. The only importer of prometheus_client.

Every label takes its values from a set that is bounded here; what is outside it counts as ``other``. No value names a
person. Each metric has its line in docs/metrics.md. Names and units follow https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import singledispatchmethod
from itertools import product

from edge import device_rows, events, modem_rows
from edge.health import CONDITIONS, Raised
from edge.lean import without
from edge.marks import CLASSES
from edge.monitor.host import NicFigures
from edge.monitor.snmp.figures import DeviceFigures
from edge.queue.breaker import State
from edge.queue.lane import Lane
from edge.queue.sink import Certificate
from edge.queue.store.outbox import OPEN
from edge.queue.store.outbox_view import Depth
from edge.queue.store.outgoing import PRIORITIES
from edge.sms.standing import Standing

# Its web server and its push to a gateway are not ours.
with without("http.server", "socketserver", "wsgiref", "wsgiref.simple_server", "urllib.error", "urllib.request"):
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, disable_created_metrics
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.exposition import generate_latest
    from prometheus_client.process_collector import ProcessCollector
    from prometheus_client.registry import Collector

LEVELS = ("up", "degraded", "down")
RTT_BUCKETS_S = (0.01, 0.03, 0.1, 0.3, 1.0)
SOURCES = ("sms", "desk")
SMS_KINDS = tuple(PRIORITIES)
SEND_RESULTS = ("sent", "failed", "retry", "uncertain")
FORWARD_RESULTS = ("delivered", "dead", "retry")
NO_UPLINK = "none"
OTHER = "other"
_PREFIX = "kampung_edge_"
_OUTCOME = {  # what came of an SMS -> the codes of its reply
    "filed": "RECEIVED",
    "incomplete": "ASK_NIK ASK_NAME NIK_LENGTH NIK_FORM WHICH_LETTER ONE_AT_A_TIME",
    "duplicate": "DUPLICATE",
    "asked": "STATUS STATUS_READY STATUS_CLOSED NOTHING_OPEN NO_SUCH_TICKET WHICH_TICKET RECAP INFO",
    "cancelled": "CANCELLED CONFIRM_CANCEL CANCEL_FORWARDED",
    "confirmed": "RT_THANKS",
    "staff": "TO_STAFF EMERGENCY COMPLAINT",
    "help": "HELP",
    "preference": "STARTED STOPPED",
    "limited": "LIMIT silence",
    "ignored": "ignore",
    "set-aside": "set-aside",
}
OUTCOME_OF = {code: outcome for outcome, codes in _OUTCOME.items() for code in codes.split()}
OUTCOMES = (*_OUTCOME, OTHER)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]{0,31}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is so at the moment of a scrape. None: not known, or that part is not configured; its gauges are left out.

    Shares are percentages 0..100, ages and uptime in seconds. `classes` pairs each traffic class with its uplink (None:
    it has none); `version` is the daemon's, `wall` its Unix time. `sms_unassigned` counts by kind what waits for any of
    several modems.
    """

    version: str
    clock_trusted: bool
    wall: float = 0.0
    health: tuple[Raised, ...] = ()
    classes: tuple[tuple[str, str | None], ...] = ()
    queue_waiting: int | None = None
    queue_oldest_s: float | None = None
    queue_dead: int | None = None
    last_contact_s: float | None = None
    queue_depths: Mapping[tuple[Lane, str], Depth] = field(default_factory=dict)
    breaker: State | None = None
    epoch: int | None = None
    certificates: tuple[Certificate, ...] = ()
    written_bytes: int | None = None
    written_day_bytes: int | None = None
    modems: tuple[Standing, ...] = ()
    sms_unassigned: Mapping[str, int] = field(default_factory=dict)
    staff_unread: int | None = None
    cpu_percent: float | None = None
    memory_percent: float | None = None
    disk_percent: float | None = None
    uptime_s: float | None = None
    temperature_c: float | None = None
    nics: tuple[NicFigures, ...] = ()
    devices: tuple[DeviceFigures, ...] = ()


class Bounded:
    """Lets through the first `most` distinct names of a label; any more, and anything that is no name, is ``other``."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: set[str] = set()

    def __call__(self, value: str) -> str:
        """The label's value for `value`."""
        if value not in self._seen and (len(self._seen) >= self._most or not _NAME.fullmatch(value)):
            return OTHER
        self._seen.add(value)
        return value


class Metrics:
    """Counts what the rooms announce and shows it, with the `snapshot` of the moment, in Prometheus' text format.

    The counters of `modems` start at 0, so that the first message is an increase too.
    """

    def __init__(self, snapshot: Callable[[], Snapshot], *, modems: tuple[str, ...] = ()) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves this one untyped
        self._registry = CollectorRegistry()
        self._registry.register(_AtScrape(snapshot))
        ProcessCollector(namespace="kampung_edge", registry=self._registry)
        self._uplink, self._modem, self._part, self._state = Bounded(8), Bounded(4), Bounded(24), Bounded(20)
        self._declare_network()
        self._declare_sms(modems)
        self._declare_requests()
        self._failures = self._counter("part_failures", "Crashes of a supervised part.", "part")

    def render(self) -> bytes:
        """The text exposition format, version 0.0.4, of everything known now."""
        return generate_latest(self._registry)

    @singledispatchmethod
    def observe(self, event: events.Event) -> None:
        """Count `event`; one of a type without a metric is a bug (TypeError)."""
        raise TypeError(f"no metric counts {type(event).__name__}")

    @observe.register
    def _(self, event: events.UplinkJudged) -> None:
        uplink = self._uplink(event.uplink)
        for level in LEVELS:
            self._level.labels(uplink, level).set(level == event.verdict)
        self._loss.labels(uplink).set(event.loss)

    @observe.register
    def _(self, event: events.ProbeAnswered) -> None:
        uplink = self._uplink(event.uplink)
        lost = self._lost.labels(uplink)
        if event.rtt_ms is None:
            lost.inc()
        else:
            self._rtt.labels(uplink).observe(event.rtt_ms / 1000)

    @observe.register
    def _(self, event: events.ClassMoved) -> None:
        self._moves.labels(_within(CLASSES, event.traffic_class)).inc()

    @observe.register
    def _(self, event: events.TrafficSwitched) -> None:
        self._switch.observe(event.seconds)

    @observe.register
    def _(self, event: events.HostReconciled) -> None:
        self._reconcile.observe(event.seconds)
        self._changes.inc(event.changes)

    @observe.register
    def _(self, event: events.SmsReceived) -> None:
        self._received.labels(self._modem(event.modem)).inc()

    @observe.register
    def _(self, event: events.SmsHandled) -> None:
        self._handled.labels(OUTCOME_OF.get(event.outcome, OTHER)).inc()

    @observe.register
    def _(self, event: events.SmsSent) -> None:
        kind, result = _within(SMS_KINDS, event.kind), _within(SEND_RESULTS, event.result)
        self._sent.labels(self._modem(event.modem), kind, result).inc()

    @observe.register
    def _(self, event: events.RequestAccepted) -> None:
        self._accepted.labels(_within(SOURCES, event.source)).inc()

    @observe.register
    def _(self, event: events.Forwarded) -> None:
        self._forwarded.labels(_within(FORWARD_RESULTS, event.result)).inc()
        if event.result == "delivered":
            self._forward_delay.observe(event.seconds)

    @observe.register
    def _(self, event: events.StatusReceived) -> None:
        self._statuses.labels(self._state(event.state)).inc()

    @observe.register
    def _(self, event: events.PartFailed) -> None:
        self._failures.labels(self._part(event.part)).inc()

    def _declare_network(self) -> None:
        self._level = self._gauge("uplink_level", "1 for the verdict that holds, else 0.", "uplink", "level")
        self._loss = self._gauge("uplink_loss_ratio", "Share of probes lost at the last change of verdict.", "uplink")
        self._rtt = Histogram(
            _PREFIX + "probe_rtt_seconds",
            "Round trip of answered probes.",
            ("uplink",),
            registry=self._registry,
            buckets=RTT_BUCKETS_S,
        )
        self._lost = self._counter("probes_lost", "Probes without an answer in time.", "uplink")
        self._moves = self._counter("class_moves", "Times a traffic class changed its uplink.", "class", known=CLASSES)
        self._switch = self._summary(
            "switch_seconds", "Time from a decision until the moved classes' old ways are gone."
        )
        self._reconcile = self._summary("reconcile_seconds", "Time to bring the host's network to the desired state.")
        self._changes = self._counter("reconcile_changes", "Changes made to the host's network.")

    def _declare_sms(self, modems: tuple[str, ...]) -> None:
        self._received = self._counter("sms_parts_received", "SMS parts made durable.", "modem")
        self._handled = self._counter("sms_handled", "Whole SMS by what came of them.", "outcome", known=OUTCOMES)
        self._sent = self._counter("sms_sent", "Attempts to send an SMS by result.", "modem", "kind", "result")
        for modem in map(self._modem, modems):
            self._received.labels(modem)
            for kind, result in product(SMS_KINDS, SEND_RESULTS):
                self._sent.labels(modem, kind, result)

    def _declare_requests(self) -> None:
        self._accepted = self._counter("requests_accepted", "Requests made durable.", "source", known=SOURCES)
        self._forwarded = self._counter(
            "outbox_attempts", "Tries to hand an outbox row to the portal.", "result", known=FORWARD_RESULTS
        )
        self._forward_delay = self._summary("outbox_delay_seconds", "From an outbox row's writing to its delivery.")
        self._statuses = self._counter("status_changes", "Status changes from the portal.", "state")

    def _counter(self, name: str, text: str, *labels: str, known: tuple[str, ...] = ()) -> Counter:
        """A counter; its `known` label values start at 0, so that the first event is an increase too."""
        counter = Counter(_PREFIX + name, text, labels, registry=self._registry)
        for value in known:
            counter.labels(value)
        return counter

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(_PREFIX + name, text, labels, registry=self._registry)

    def _summary(self, name: str, text: str) -> Summary:
        return Summary(_PREFIX + name, text, registry=self._registry)


class _AtScrape(Collector):
    """Turns the snapshot of the moment into gauges."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """The gauges of now."""
        now = self._snapshot()
        yield _labelled("build_info", "Always 1; the version is a label.", ("version",), {(now.version,): 1})
        yield _labelled(
            "condition", "Subjects for which a condition holds; see docs/health.md.", _CONDITION, _held(now)
        )
        yield _labelled("class_uplink", "1 for the uplink a traffic class uses.", ("class", "uplink"), _used(now))
        for name, text, value in _plain(now):
            if value is not None:
                yield GaugeMetricFamily(_PREFIX + name, text, value=float(value))
        for name, text, labels, values in _queue(now):
            yield _labelled(name, text, labels, values)
        sms = modem_rows.families(now.modems, now.sms_unassigned, now=now.wall)
        for row in (*sms, *device_rows.families(now.devices, now.nics)):
            kind = CounterMetricFamily if row.kind == "counter" else GaugeMetricFamily
            yield _labelled(row.name, row.text, row.labels, row.values, kind)


_CONDITION = ("code", "severity")
_SHOWN = {state: state if state == "confirming" else "waiting" for state in OPEN} | {"dead": "dead"}
_LANES = tuple(lane.name.lower() for lane in Lane)
_BREAKER = ("closed", "open", "half-open")
_WHOSE = ("own", "portal")
_Rows = tuple[str, str, tuple[str, ...], dict[tuple[str, ...], float]]


def _queue(now: Snapshot) -> Iterator[_Rows]:
    """What waits upwards and how the upstream is reached; nothing where none is configured."""
    if now.breaker is None:
        return
    labels = ("lane", "state")
    rows: dict[tuple[str, ...], float] = {(name, state): 0 for name in _LANES for state in _SHOWN.values()}
    held: dict[tuple[str, ...], float] = {(name,): 0 for name in _LANES}
    for (lane, state), depth in now.queue_depths.items():
        held[lane.name.lower(),] += depth.bytes
        if state in _SHOWN:
            rows[lane.name.lower(), _SHOWN[state]] += depth.rows
    yield "outbox_rows", "Outbox rows by lane and state.", labels, rows
    yield "outbox_bytes", "Bytes of sealed contents in the outbox.", ("lane",), held
    states: dict[tuple[str, ...], float] = {(state,): state == now.breaker for state in _BREAKER}
    yield "portal_circuit", "1 for the state of the present uplink's circuit to the portal.", ("state",), states
    until: dict[tuple[str, ...], float] = {
        (_within(_WHOSE, certificate.whose),): certificate.not_after for certificate in now.certificates
    }
    yield "certificate_not_after_seconds", "Unix time until which a certificate is valid.", ("whose",), until


def _plain(now: Snapshot) -> tuple[tuple[str, str, float | None], ...]:
    return (
        ("clock_trusted", "1 when wall time is synchronised.", now.clock_trusted),
        ("outbox_waiting", "Outbox rows not delivered yet.", now.queue_waiting),
        ("outbox_oldest_seconds", "Age of the oldest outbox row that waits.", now.queue_oldest_s),
        ("outbox_dead", "Outbox rows the portal refused for good.", now.queue_dead),
        ("installation_epoch", "What the portal calls this installation; 0 before.", now.epoch),
        ("portal_contact_age_seconds", "Time since the portal last answered as agreed.", now.last_contact_s),
        ("store_written_bytes", "Bytes the daemon wrote to disk in all its hours of operation.", now.written_bytes),
        ("store_written_day_bytes", "Of these, in the last 24 hours of operation.", now.written_day_bytes),
        ("staff_unread", "Messages for the office's staff that nobody has read.", now.staff_unread),
        ("host_cpu_ratio", "Share of all processors in use.", _ratio(now.cpu_percent)),
        ("host_memory_ratio", "Share of memory in use.", _ratio(now.memory_percent)),
        ("host_disk_ratio", "Share of the state directory's file system in use.", _ratio(now.disk_percent)),
        ("host_uptime_seconds", "Time since the machine started.", now.uptime_s),
        ("host_temperature_celsius", "The machine's hottest sensor.", now.temperature_c),
    )


def _labelled(
    name: str,
    text: str,
    labels: tuple[str, ...],
    values: dict[tuple[str, ...], float],
    kind: type[GaugeMetricFamily | CounterMetricFamily] = GaugeMetricFamily,
) -> Metric:
    family = kind(_PREFIX + name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _held(now: Snapshot) -> dict[tuple[str, ...], float]:
    """Every declared condition, so that one which never held shows as 0."""
    counts: dict[tuple[str, ...], float] = {(c.code, c.severity): 0 for c in CONDITIONS.values()}
    for raised in now.health:
        counts[raised.condition.code, raised.condition.severity] += 1
    return counts


def _used(now: Snapshot) -> dict[tuple[str, ...], float]:
    return {(name, uplink or NO_UPLINK): 1 for name, uplink in now.classes}


def _ratio(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _within(known: tuple[str, ...], value: str) -> str:
    return value if value in known else OTHER
