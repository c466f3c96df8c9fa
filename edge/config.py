"""The configuration as frozen values: what a village sets, with units and ranges.

Only shapes and ranges of single keys live here. Reading TOML and reporting every mistake at once is
`edge.config_check`; the meaning of each key is written for people in ``config/kampung-edge.toml``.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_]{0,11}\Z",
        description="a name of 1 to 12 lower-case letters, digits and _, a letter first",
    ),
]
Device = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9_.\-]{1,15}\Z", description="a network device's name of 1 to 15 letters, digits and _.-"),
]
Percent = Annotated[float, Meta(ge=0, le=100)]
Mbit = Annotated[float, Meta(ge=0.1, le=10_000)]
Phone = Annotated[
    str, Meta(pattern=r"^\+[1-9][0-9]{7,14}\Z", description="a phone number such as +628123456789, without spaces")
]
Smsc = Annotated[
    str,
    Meta(pattern=r"^(\+[1-9][0-9]{4,14})?\Z", description="empty, or a service centre's number such as +6281100000"),
]
ModemDevice = Annotated[
    str,
    Meta(
        pattern=r"^(/[^\0]+|usb:[0-9a-fA-F]{4}:[0-9a-fA-F]{4}(:[ -~]{1,64})?|imei:[0-9]{15})\Z",
        description="a path from / on, usb:VVVV:PPPP, usb:VVVV:PPPP:SERIAL or imei: and 15 digits",
    ),
]
Ussd = Annotated[str, Meta(pattern=r"^([*#0-9]{2,20}#)?\Z", description="empty, or a code such as *888#")]
MessageKind = Literal["reply", "notification", "digest"]
TimeOfDay = Annotated[
    str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z", description="a time of day from 00:00 to 23:59")
]

_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)"
_DAY = "(mon|tue|wed|thu|fri|sat|sun)"
WeekHours = Annotated[
    str,
    Meta(
        pattern=rf"^{_DAY}(-{_DAY})? {_CLOCK}(,{_CLOCK}){{0,7}}\Z",
        description="days and hours such as mon-thu 07:30-12:00,13:00-15:30",
    ),
]
DayHours = Annotated[
    str,
    Meta(
        pattern=rf"^(closed|{_CLOCK}(,{_CLOCK}){{0,7}})\Z",
        description="closed, or hours such as 08:00-12:00,13:00-15:00",
    ),
]
Period = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}/[0-9]{4}-[0-9]{2}-[0-9]{2}\Z",
        description="a first and a last day such as 2027-02-08/2027-03-09",
    ),
]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the configuration file; an unknown key in it is a mistake."""


class Village(Section, frozen=True):
    """Who this box speaks for."""

    code: Annotated[str, Meta(pattern=r"^[0-9]{10}\Z", description="the 10 digits of a village code, without dots")]
    name: Annotated[str, Meta(min_length=2, max_length=24)]
    district: Annotated[str, Meta(min_length=2, max_length=24)]
    kind: Literal["desa", "kelurahan"] = "desa"
    hours: Annotated[str, Meta(max_length=40)] = "Sen-Kam 07.30-15.30, Jum 07.00-14.30"
    timezone: str = "Asia/Jakarta"


class Uplink(Section, frozen=True):
    """One way out of the village. Two uplinks may carry the same addresses (both 192.168.1.0/24 is legal)."""

    name: Name
    device: Device
    gateway: str
    download_mbit: Mbit
    upload_mbit: Mbit
    anchors: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    resolvers: tuple[str, ...] = ()
    gateway6: str = ""


class Tunnel(Section, frozen=True):
    """A WireGuard device that somebody else sets up: another way to pinned networks, and for the regency to the box."""

    name: Name
    device: Device
    port: Annotated[int, Meta(ge=1, le=65_535)] = 51_820
    pinned: tuple[str, ...] = ()


class Monitor(Section, frozen=True):
    """Probing pace and the thresholds of a verdict."""

    interval_ms: Annotated[int, Meta(ge=50, le=10_000)] = 250
    burst_interval_ms: Annotated[int, Meta(ge=20, le=1_000)] = 50
    timeout_ms: Annotated[int, Meta(ge=100, le=10_000)] = 1_000
    window_s: Annotated[float, Meta(ge=2, le=600)] = 40
    outage_s: Annotated[float, Meta(ge=0.5, le=60)] = 2.5
    public_every_s: Annotated[float, Meta(ge=5, le=3_600)] = 5
    loss_degraded_percent: Percent = 15
    loss_recovered_percent: Percent = 5
    rtt_degraded_ms: Annotated[float, Meta(ge=1, le=10_000)] = 200
    rtt_recovered_ms: Annotated[float, Meta(ge=1, le=10_000)] = 100
    fall_s: Annotated[float, Meta(ge=0, le=600)] = 3
    rise_s: Annotated[float, Meta(ge=0, le=600)] = 10
    slow_percent: Annotated[float, Meta(ge=1, le=90)] = 30
    slow_s: Annotated[float, Meta(ge=5, le=600)] = 15
    dns_name: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.\-]{0,251}[A-Za-z0-9])?\Z", description="a domain name")
    ] = "go.id"
    check_url: Annotated[
        str, Meta(pattern=r"^(https?://[^\s]+)?\Z", description='an http:// or https:// address, or ""')
    ] = ""
    check_status: Annotated[int, Meta(ge=100, le=599)] = 204
    check_body: Annotated[str, Meta(max_length=200)] = ""
    check_every_s: Annotated[float, Meta(ge=1, le=3_600)] = 10
    fetch_url: Annotated[
        str, Meta(pattern=r"^(https?://[^\s]+)?\Z", description='an http:// or https:// address, or ""')
    ] = ""
    fetch_every_s: Annotated[float, Meta(ge=60, le=86_400)] = 600


class TrafficClass(Section, frozen=True):
    """Who belongs to a class of traffic, which uplinks it may use in which order, and its share."""

    uplinks: Annotated[tuple[Name, ...], Meta(min_length=1)]
    guaranteed_percent: Annotated[float, Meta(ge=1, le=98)]
    ceiling_percent: Annotated[float, Meta(ge=1, le=100)] = 100
    devices: tuple[Device, ...] = ()
    networks: tuple[str, ...] = ()
    cap_mbit: dict[str, Mbit] = {}


class Classes(Section, frozen=True):
    """The three classes: the service desk, the guests, and the box's own traffic."""

    service: TrafficClass
    wifi: TrafficClass
    control: TrafficClass


class Calendar(Section, frozen=True):
    """When the office serves; what a brownout may move and when traffic goes back depend on it."""

    hours: tuple[WeekHours, ...] = ("mon-thu 07:30-15:30", "fri 07:00-14:30")
    ramadan_hours: tuple[WeekHours, ...] = ("mon-thu 08:00-15:00", "fri 08:00-15:30")
    holidays: Literal["closed", "open"] = "closed"
    days: dict[str, DayHours] = {}
    ramadan: tuple[Period, ...] = ()


class Policy(Section, frozen=True):
    """When traffic moves."""

    failback_hold_s: Annotated[float, Meta(ge=0, le=86_400)] = 60
    failback_most_s: Annotated[float, Meta(ge=0, le=86_400)] = 3_600
    flap_half_life_s: Annotated[float, Meta(ge=1, le=604_800)] = 7_200
    failback_in_service_hours: Literal["deferred", "allowed"] = "deferred"
    failback_pause_s: Annotated[float, Meta(ge=0, le=86_400)] = 60
    brownout_moves: Literal["service-hours", "always", "never"] = "service-hours"
    reconcile_s: Annotated[float, Meta(ge=0.2, le=3_600)] = 0.5
    headroom_percent: Annotated[float, Meta(ge=50, le=100)] = 90
    busy_ceiling_percent: Annotated[float, Meta(ge=1, le=100)] = 60
    management: tuple[str, ...] = ()


class Snmp(Section, frozen=True):
    """A device beside the box that answers SNMP; its secret is the credential ``snmp-NAME``."""

    name: Name
    host: str
    port: Annotated[int, Meta(ge=1, le=65_535)] = 161
    role: Literal["ont", "switch", "mikrotik", "generic"] = "generic"
    version: Literal["2c", "3"] = "2c"
    uplink: str = ""
    poll_s: Annotated[float, Meta(ge=10, le=3_600)] = 60
    ports: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=32)], ...], Meta(max_length=16)] = ()
    optical_oid: Annotated[
        str,
        Meta(pattern=r"^(1(\.[0-9]{1,10}){3,31})?\Z", description='a numeric OID such as 1.3.6.1.4.1.2011.1.0, or ""'),
    ] = ""
    optical_per_dbm: Annotated[float, Meta(ge=1, le=10_000)] = 1


class Modem(Section, frozen=True):
    """The GSM modem on a serial line; the SIM's PIN is the credential ``sim-pin``."""

    device: ModemDevice
    baud: Annotated[int, Meta(ge=1_200, le=921_600)] = 115_200
    name: Name = "modem"
    list_every_s: Annotated[float, Meta(ge=1, le=3_600)] = 60
    command_timeout_s: Annotated[float, Meta(ge=1, le=120)] = 10
    send_timeout_s: Annotated[float, Meta(ge=5, le=300)] = 60
    smsc: Smsc = ""
    reports: bool = True
    balance_ussd: Ussd = ""
    balance_every_h: Annotated[float, Meta(ge=1, le=168)] = 24
    balance_low_rp: Annotated[int, Meta(ge=0, le=10_000_000)] = 10_000
    reject_calls: bool = True
    power_command: tuple[str, ...] = ()


class Head(Section, frozen=True):
    """An RT/RW head enrolled at the office."""

    rt: Annotated[int, Meta(ge=1, le=999)]
    rw: Annotated[int, Meta(ge=1, le=999)]
    phone: Phone


class Sms(Section, frozen=True):
    """The SMS Center: who is enrolled and how much one number may ask."""

    heads: tuple[Head, ...] = ()
    operators: tuple[Phone, ...] = ()
    staff: tuple[Phone, ...] = ()
    messages_per_hour: Annotated[int, Meta(ge=1, le=1_000)] = 10
    messages_per_day: Annotated[int, Meta(ge=1, le=10_000)] = 20
    requests_per_day: Annotated[int, Meta(ge=1, le=1_000)] = 3
    sends_per_hour: Annotated[int, Meta(ge=1, le=10_000)] = 60
    sends_per_day: Annotated[int, Meta(ge=1, le=100_000)] = 300
    send_gap_s: Annotated[float, Meta(ge=0, le=600)] = 6
    quiet_from: TimeOfDay = "21:00"
    quiet_until: TimeOfDay = "05:30"
    sends_per_recipient_per_day: Annotated[int, Meta(ge=1, le=10_000)] = 30
    expire_reply_h: Annotated[float, Meta(ge=0.1, le=720)] = 24
    expire_notification_h: Annotated[float, Meta(ge=0.1, le=720)] = 72
    expire_digest_h: Annotated[float, Meta(ge=0.1, le=720)] = 24
    settle_uncertain_s: Annotated[float, Meta(ge=0, le=3_600)] = 90
    resend_uncertain: tuple[MessageKind, ...] = ("reply", "notification")
    pause_after_failures: Annotated[int, Meta(ge=2, le=100)] = 5
    pause_s: Annotated[float, Meta(ge=1, le=86_400)] = 900


class Store(Section, frozen=True):
    """The durable store; its key is the credential ``store-key`` (32 bytes, base64)."""

    path: str = "kampung-edge.db"
    max_mbyte: Annotated[int, Meta(ge=8, le=65_536)] = 512
    group_commit_ms: Annotated[float, Meta(ge=0, le=1_000)] = 2
    attachments_mbyte: Annotated[int, Meta(ge=1, le=65_536)] = 256
    keep_days: Annotated[int, Meta(ge=30, le=3_650)] = 90
    regency_key_file: str = ""


class Upstream(Section, frozen=True):
    """The portal; the bearer key is the credential ``portal-key``."""

    url: Annotated[
        str,
        Meta(
            pattern=r"^(https|tls|nats)://[^\s]+[^/]\Z",
            description="an https:// or tls:// address without a closing slash",
        ),
    ]
    sink: Literal["https", "nats", "opendk"] = "https"
    user: Annotated[
        str,
        Meta(pattern=r"^[!-~]{0,128}\Z", description="a user's name or an e-mail address, without spaces"),
    ] = ""
    poll_s: Annotated[int, Meta(ge=30, le=86_400)] = 300
    ca_file: str = ""
    client_cert_file: str = ""
    connect_timeout_s: Annotated[float, Meta(ge=1, le=60)] = 5
    read_timeout_s: Annotated[float, Meta(ge=5, le=300)] = 35
    wait_s: Annotated[int, Meta(ge=0, le=60)] = 25
    retry_first_s: Annotated[float, Meta(ge=0.05, le=60)] = 1
    retry_most_s: Annotated[float, Meta(ge=1, le=3_600)] = 300
    poison_attempts: Annotated[int, Meta(ge=3, le=1_000)] = 20
    confirm_s: Annotated[float, Meta(ge=60, le=604_800)] = 3_600
    heartbeat_s: Annotated[float, Meta(ge=10, le=86_400)] = 300


class Web(Section, frozen=True):
    """The local HTTP server; the desk's bearer keys are the credentials ``desk-key`` and ``desk-keys``."""

    listen: Annotated[tuple[str, ...], Meta(min_length=1)] = ("127.0.0.1:8480",)
    calls_per_s: Annotated[int, Meta(ge=1, le=1_000)] = 50


class Config(Section, frozen=True):
    """The whole file. A part left out (modem, upstream) is not started."""

    village: Village
    uplink: Annotated[tuple[Uplink, ...], Meta(min_length=1, max_length=8)]
    classes: Classes
    mode: Literal["router", "beside"] = "router"
    state_dir: str = "/var/lib/kampung-edge"
    run_dir: str = "/run/kampung-edge"
    monitor: Monitor = Monitor()
    calendar: Calendar = Calendar()
    policy: Policy = Policy()
    store: Store = Store()
    sms: Sms = Sms()
    web: Web = Web()
    snmp: Annotated[tuple[Snmp, ...], Meta(max_length=8)] = ()
    tunnel: Annotated[tuple[Tunnel, ...], Meta(max_length=4)] = ()
    modem: Modem | None = None
    upstream: Upstream | None = None
