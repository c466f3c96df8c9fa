"""Health: conditions are declared here once, raised and cleared by the parts, and shown to people and machines.

A condition is data for the person who must act: `title` and `remedy` are Indonesian and go to the office's page,
`meaning` is English and goes to logs, /healthz and the engineer. Raising or clearing is logged once, never repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

log = logging.getLogger("edge.health")

Severity = Literal["warning", "error"]


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that can be wrong. `code` is stable: it is a metric's label and an alert's key."""

    code: str
    severity: Severity
    title: str
    remedy: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Raised:
    """A condition that holds now for one subject (an uplink, a modem, or "")."""

    condition: Condition
    subject: str
    detail: str
    since: float


_DECLARED = (
    Condition(
        "uplink-down",
        "error",
        "Jalur internet putus",
        "Sistem memakai jalur lain bila ada. Bila berlanjut, hubungi Dishubkominfo.",
        "an uplink carries nothing; its classes use the next uplink they may",
    ),
    Condition(
        "uplink-degraded",
        "warning",
        "Jalur internet lambat",
        "Sistem memilih jalur yang lebih baik. Tidak perlu tindakan.",
        "an uplink loses or delays packets beyond its thresholds",
    ),
    Condition(
        "uplink-target-fault",
        "warning",
        "Satu alamat uji internet tidak menjawab",
        "Jalur internet tetap dinilai dengan alamat lain. Tidak perlu tindakan.",
        "one probed host alone does not answer as it should; it is set aside and no verdict rests on it",
    ),
    Condition(
        "no-uplink",
        "error",
        "Semua jalur internet putus",
        "Permohonan tetap tersimpan dan dikirim otomatis saat internet kembali. "
        "Periksa apakah perangkat internet menyala. Bila berlanjut, hubungi Dishubkominfo.",
        "no allowed uplink works for the service class; requests are buffered",
    ),
    Condition(
        "probe-privilege",
        "error",
        "Pemantau internet tidak punya izin",
        "Hubungi Dishubkominfo.",
        "raw ICMP needs CAP_NET_RAW: start by systemd or as root",
    ),
    Condition(
        "device-missing",
        "error",
        "Kabel atau perangkat jaringan tidak ditemukan",
        "Periksa kabel pada kotak router. Bila belum pulih, hubungi Dishubkominfo.",
        "a network device named in the configuration does not exist",
    ),
    Condition(
        "network-privilege",
        "error",
        "Pengatur jaringan tidak punya izin",
        "Hubungi Dishubkominfo.",
        "changing routes and nftables needs CAP_NET_ADMIN: start by systemd or as root",
    ),
    Condition(
        "network-apply",
        "error",
        "Aturan jaringan gagal dipasang",
        "Hubungi Dishubkominfo.",
        "the kernel refused a change; the last good state stands and it is tried again",
    ),
    Condition(
        "forwarding-off",
        "error",
        "Router belum meneruskan data",
        "Hubungi Dishubkominfo.",
        "net.ipv4.ip_forward is 0: run `kampung-edge guard` (kampung-edge-guard.service) as root",
    ),
    Condition(
        "device-silent",
        "warning",
        "Perangkat jaringan tidak menjawab",
        "Periksa apakah perangkat menyala dan kabel listrik serta kabel jaringannya terpasang.",
        "a device of [[snmp]] did not answer twice in a row; its figures are unknown",
    ),
    Condition(
        "device-secret",
        "warning",
        "Perangkat jaringan menolak kunci kotak ini",
        "Hubungi Dishubkominfo.",
        "a device of [[snmp]] refuses the secret, or the credential snmp-NAME is missing or wrong",
    ),
    Condition(
        "device-port-down",
        "warning",
        "Kabel pada perangkat jaringan terputus",
        "Periksa kabel pada lubang perangkat yang disebut dan perangkat di ujungnya.",
        "a port listed for a device of [[snmp]] has no link, or is not there",
    ),
    Condition(
        "optical-low",
        "warning",
        "Cahaya serat optik melemah",
        "Periksa kabel kuning pada ONT: jangan tertekuk atau terjepit. Bila berlanjut, hubungi penyedia internet.",
        "an optical module receives under -25 dBm; it is well again from -24 dBm on",
    ),
    Condition(
        "optical-critical",
        "error",
        "Cahaya serat optik hampir hilang",
        "Periksa kabel kuning pada ONT, lalu hubungi penyedia internet.",
        "an optical module receives under -28 dBm: the link is about to fail or has failed",
    ),
    Condition(
        "resolver-missing",
        "error",
        "Layanan nama internet (DNS) tidak berjalan",
        "Hubungi Dishubkominfo.",
        "dnsmasq does not run, or does not take its name servers: start kampung-edge-dnsmasq.service",
    ),
    Condition(
        "config-trial",
        "warning",
        "Pengaturan baru sedang dicoba",
        "Tidak perlu tindakan; tanpa konfirmasi pengaturan lama kembali otomatis.",
        "a configuration is on trial: it is undone in time unless `kampung-edge confirm` is run",
    ),
    Condition(
        "config-undone",
        "warning",
        "Pengaturan baru dibatalkan",
        "Sistem memakai pengaturan lama. Hubungi Dishubkominfo.",
        "the configuration file was tried and undone: the one before it is in force until the file is changed or "
        "applied again",
    ),
    Condition(
        "modem-missing",
        "error",
        "Modem SMS tidak terhubung",
        "Periksa kabel modem SMS, lalu tunggu satu menit. Bila belum pulih, hubungi Dishubkominfo.",
        "the modem's serial device is absent, held by another program or may not be opened; SMS waits, all else runs",
    ),
    Condition(
        "modem-sim",
        "error",
        "Kartu SIM bermasalah",
        "Periksa kartu SIM pada modem. Bila belum pulih, hubungi Dishubkominfo.",
        "the SIM is absent, locked or refused its PIN",
    ),
    Condition(
        "modem-network",
        "warning",
        "Modem SMS tidak mendapat sinyal",
        "Pindahkan antena modem ke dekat jendela. Bila belum pulih, hubungi Dishubkominfo.",
        "the modem is not registered with its network",
    ),
    Condition(
        "modem-silent",
        "warning",
        "Modem SMS tidak menjawab",
        "Sistem sedang memulihkan modem. Bila lebih dari 10 menit, cabut lalu pasang lagi modem SMS.",
        "the modem is there but does not answer; the detail names the rung of the reset ladder that is being tried",
    ),
    Condition(
        "modem-barred",
        "error",
        "Kartu SIM diblokir operator",
        "Hubungi Dishubkominfo agar kartu SIM diurus ke operator.",
        "the operator refuses the SIM's messages (registration denied, +CMS ERROR 8 or 10, or refusals with credit "
        "left): sending waits",
    ),
    Condition(
        "modem-credit",
        "warning",
        "Pulsa atau masa aktif kartu SIM hampir habis",
        "Isi pulsa kartu SIM modem.",
        "the balance is below modem.balance_low_rp, or the SIM expires within 30 days",
    ),
    Condition(
        "modem-no-credit",
        "error",
        "Pulsa modem SMS habis",
        "Isi pulsa kartu SIM modem. SMS menunggu dan dikirim otomatis sesudah pulsa diisi.",
        "the network refuses messages for want of credit: sending waits and is tried again",
    ),
    Condition(
        "modem-hilink",
        "error",
        "Modem SMS salah jenis",
        "Hubungi Dishubkominfo.",
        "the stick is in HiLink mode and has no AT port: switch it to serial mode or replace it (docs/modem.md)",
    ),
    Condition(
        "sms-paused",
        "warning",
        "Pemberitahuan SMS ditunda sementara",
        "Tidak perlu tindakan; balasan tetap dikirim.",
        "notifications and digests pause after repeated failures to send",
    ),
    Condition(
        "upstream-unreachable",
        "warning",
        "Portal kabupaten belum bisa dihubungi",
        "Permohonan tetap tersimpan dan dikirim otomatis. Bila berlanjut lebih dari satu hari, hubungi Dishubkominfo.",
        "the portal does not answer as agreed; outbox rows wait and are retried",
    ),
    Condition(
        "upstream-unauthorised",
        "error",
        "Portal menolak kunci desa ini",
        "Hubungi Dishubkominfo.",
        "the portal answered 401: forwarding is paused until portal-key, or the certificate of the box, is right",
    ),
    Condition(
        "installation-replaced",
        "error",
        "Kotak ini sudah diganti kotak lain",
        "Permohonan di kotak ini tidak dikirim lagi. Pakai kotak penggantinya, dan hubungi Dishubkominfo.",
        "another installation speaks for this village now: nothing is sent until `kampung-edge store restore` or a "
        "new enrolment settles which box it is",
    ),
    Condition(
        "upstream-certificate",
        "warning",
        "Sertifikat untuk sambungan ke portal hampir atau sudah habis masa berlakunya",
        "Hubungi Dishubkominfo.",
        "a certificate of the connection to the portal (own, or the portal's) expires within 30 days, or has expired",
    ),
    Condition(
        "upstream-dead-letter",
        "warning",
        "Ada permohonan yang ditolak portal",
        "Permohonan tetap tersimpan. Hubungi Dishubkominfo agar diperiksa.",
        "the portal refused an item for good (400, 403, 409 or 422), or one failed again and again by itself; see "
        "`kampung-edge outbox list`",
    ),
    Condition(
        "store-corrupt",
        "error",
        "Penyimpanan data rusak",
        "Data yang masih terbaca sudah diselamatkan dan layanan tetap berjalan. Hubungi Dishubkominfo segera.",
        "the database was damaged: what still reads was taken over into a new file, the damaged one was set aside; "
        "holds until `kampung-edge store seen`",
    ),
    Condition(
        "store-damaged",
        "error",
        "Sebagian data tersimpan rusak",
        "Layanan tetap berjalan, tetapi ada data yang hilang. Hubungi Dishubkominfo segera.",
        "rows were lost to damage; holds until `kampung-edge store seen`, which names them",
    ),
    Condition(
        "store-unavailable",
        "error",
        "Penyimpanan data tidak bisa dibuka",
        "Hubungi Dishubkominfo segera.",
        "the database cannot be opened: no SMS, desk or page, but the network is steered; tried every five seconds",
    ),
    Condition(
        "store-full",
        "error",
        "Penyimpanan penuh",
        "Permohonan baru belum bisa diterima; yang sudah masuk aman dan tetap dikirim. Hubungi Dishubkominfo segera.",
        "the disk or the size bound is reached: new requests are refused, the outbox still drains",
    ),
    Condition(
        "store-readonly",
        "error",
        "Penyimpanan tidak bisa ditulis",
        "Permohonan baru belum bisa diterima. Kartu memori mungkin rusak. Hubungi Dishubkominfo segera.",
        "the store's file system is read-only: new work is refused, SMS stay on the SIM; tried again by itself",
    ),
    Condition(
        "store-failing",
        "error",
        "Penyimpanan gagal ditulis",
        "Permohonan baru belum bisa diterima. Kartu memori mungkin rusak. Hubungi Dishubkominfo segera.",
        "the disk answers with errors: nothing new is accepted, the file is opened again until it can be written",
    ),
    Condition(
        "clock-untrusted",
        "warning",
        "Jam sistem belum tepat",
        "Tidak perlu tindakan; jam disetel otomatis saat internet ada.",
        "wall time is not synchronised: deadlines that span days are not judged",
    ),
    Condition(
        "holidays-unknown",
        "warning",
        "Daftar hari libur belum diperbarui",
        "Tidak perlu tindakan. Bila berlanjut lebih dari satu minggu, hubungi Dishubkominfo.",
        "the table of holidays could not be computed: the old one stays; it is tried again every six hours",
    ),
    Condition(
        "part-crashed",
        "error",
        "Sebagian layanan sedang dimulai ulang",
        "Bila berlanjut lebih dari lima menit, hubungi Dishubkominfo.",
        "a supervised part crashed and is being started again",
    ),
    Condition(
        "safe-mode",
        "error",
        "Sistem berjalan dalam mode aman",
        "WiFi tamu dimatikan. Hubungi Dishubkominfo.",
        "three crashes in a row: last good routes stand, guests are denied",
    ),
)
CONDITIONS: Mapping[str, Condition] = MappingProxyType({condition.code: condition for condition in _DECLARED})


class Health:
    """What is wrong now. `wall` gives Unix seconds."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._raised: dict[tuple[str, str], Raised] = {}
        self._on_change: Callable[[], None] = lambda: None

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback` whenever a condition begins or ends; the one before is called no more."""
        self._on_change = callback

    def raise_(self, code: str, detail: str = "", *, subject: str = "") -> None:
        """Declare that condition `code` holds for `subject`; an unknown code is a bug (KeyError)."""
        condition = CONDITIONS[code]
        key = (code, subject)
        before = self._raised.get(key)
        since = before.since if before else self._wall()
        self._raised[key] = Raised(condition, subject, detail, since)
        if before is None:
            log.warning(
                "%s%s: %s%s",
                code,
                f" ({subject})" if subject else "",
                condition.meaning,
                f" [{detail}]" if detail else "",
            )
            self._on_change()

    def clear(self, code: str, *, subject: str = "") -> None:
        """Declare that condition `code` no longer holds for `subject`."""
        CONDITIONS[code]
        if self._raised.pop((code, subject), None) is not None:
            log.info("%s%s: cleared", code, f" ({subject})" if subject else "")
            self._on_change()

    def current(self) -> tuple[Raised, ...]:
        """Everything that holds now, errors first, then the oldest."""
        return tuple(sorted(self._raised.values(), key=lambda r: (r.condition.severity, r.since)))
