"""A snapshot with everything in it, and many events of every kind."""

from __future__ import annotations

from typing import get_args

from edge import events
from edge.health import CONDITIONS, Raised
from edge.metrics import OUTCOME_OF, Snapshot
from edge.modem.status import ModemStatus
from edge.monitor.host import NicFigures
from edge.monitor.snmp.figures import DeviceFigures, Optic, Port, Reading
from edge.queue import lifecycle
from edge.queue.lane import Lane
from edge.queue.sink import Certificate
from edge.queue.store.mail import Figures
from edge.queue.store.outbox_view import Depth
from edge.sms.standing import Standing

FULL = Snapshot(
    version="1.2.3",
    clock_trusted=True,
    health=(
        Raised(CONDITIONS["uplink-down"], "pde", "", 0),
        Raised(CONDITIONS["uplink-down"], "telkom", "", 0),
    ),
    classes=(("service", "telkom"), ("wifi", None), ("control", "telkom")),
    queue_waiting=3,
    queue_oldest_s=61.5,
    queue_dead=1,
    last_contact_s=12.0,
    staff_unread=2,
    written_bytes=9_000_000,
    written_day_bytes=4_000_000,
    queue_depths={
        (Lane.REQUEST, "pending"): Depth(1, 300),
        (Lane.REQUEST, "held"): Depth(1, 200),
        (Lane.EVENT, "dead"): Depth(1, 50),
        (Lane.SMS, "delivered"): Depth(900, 0),
    },
    breaker="half-open",
    epoch=3,
    certificates=(Certificate("portal", 1_800_000_000.0), Certificate("somebody's", 1.0)),
    wall=1_000.0,
    modems=(
        Standing(
            name="modem",
            status=ModemStatus(
                "ready",
                signal=75,
                registered=True,
                rung="cfun",
                balance_rp=25_000,
                sim_used=3,
                sim_capacity=50,
                calls_rejected=2,
            ),
            figures=Figures(
                waiting={"reply": 2, "notification": 1, "digest": 0},
                uncertain=1,
                failed=4,
                last_sent=990.0,
                last_received=400.0,
            ),
            hour_limit=60,
            day_limit=300,
        ),
    ),
    cpu_percent=5.5,
    memory_percent=40,
    disk_percent=12.5,
    uptime_s=3_600,
    temperature_c=51.0,
    nics=(
        NicFigures("eth1", present=True, up=True, speed_mbit=1_000, received_bytes=5),
        NicFigures("eth2", present=False),
    ),
    devices=(
        DeviceFigures("ont", "ont", "silent", 0.0),
        DeviceFigures(
            "mikrotik",
            "mikrotik",
            "well",
            0.0,
            watched=("ether1",),
            reading=Reading(
                uptime_s=90,
                cpu_percent=20,
                temperature_c=41.5,
                voltage_v=24.1,
                dhcp_leases=37,
                hotspot_users=3,
                wifi_clients=5,
                ports=(
                    Port("ether1", up=True, speed_mbit=100, received_bytes=7),
                    Port("ether2", up=False, speed_mbit=1),
                ),
                optics=(Optic("sfp1", -18.4, 2.1), Optic("sfp2", -26.5, 1.9), Optic("sfp3", None)),
            ),
        ),
    ),
)
MANY: tuple[events.Event, ...] = (
    *(
        events.UplinkJudged(name, level, "", 0.25, 12.0)
        for name in ("pde", "telkom")
        for level in get_args(events.Level)
    ),
    *(events.ProbeAnswered(name, "1.1.1.1", rtt) for name in ("pde", "telkom") for rtt in (5.0, 20.0, 500.0, None)),
    *(events.ClassMoved(name, "pde", "telkom", "pde is down") for name in ("service", "wifi", "control")),
    events.TrafficSwitched(("service", "control"), 0.002, 0.01),
    events.HostReconciled(4, 0.02),
    events.SmsReceived("modem"),
    *(events.SmsHandled(code) for code in (*OUTCOME_OF, "NEW")),
    *(events.SmsSent("modem", kind, "sent") for kind in ("reply", "notification", "digest")),
    *(events.SmsSent("modem", "reply", result) for result in ("failed", "retry", "uncertain")),
    *(events.RequestAccepted(source, "SKTM") for source in ("sms", "desk")),
    *(events.Forwarded(result, 2, 7.5) for result in ("delivered", "dead", "retry")),
    *(events.StatusReceived(state) for state in sorted(lifecycle.STATES)),
    *(
        events.PartFailed(part, "KeyError", 1.0)
        for part in ("web", "modem", "forwarder", "center", "controller", "watcher-pde", "watcher-telkom", "lan")
    ),
)
