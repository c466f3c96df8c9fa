"""Everything the report says, in one place: plain Indonesian that a provider's engineer can act on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date, datetime

TITLE = "Laporan Mutu Jalur Internet"
KIND = {"desa": "Desa", "kelurahan": "Kelurahan"}
MONTHS = (
    "Januari",
    "Februari",
    "Maret",
    "April",
    "Mei",
    "Juni",
    "Juli",
    "Agustus",
    "September",
    "Oktober",
    "November",
    "Desember",
)
NONE = "–"
METHOD = (
    "Kotak layanan di kantor memeriksa jalur ini siang dan malam dengan paket kecil ke beberapa alamat di "
    "jaringan yang berbeda; jalur dinyatakan putus bila semuanya diam selama beberapa detik, dan lambat bila data yang "
    "hilang, waktu jawab, atau kecepatannya melewati batas. Waktu saat kotak mati atau tidak dapat memeriksa tidak "
    "dihitung sebagai gangguan penyedia, dan persentil dibaca dari sebaran waktu jawab dengan ketelitian 9 persen."
)
CAUSE = {
    "carrier": "kabel lepas atau perangkat penyedia mati",
    "no-reply": "tidak ada jawaban dari internet",
    "gateway": "router penyedia tidak menjawab",
    "beyond-gateway": "router penyedia menjawab, internet di belakangnya putus",
    "captive-portal": "dialihkan ke halaman masuk penyedia",
    "lossy": "banyak data hilang di jalan",
    "delayed": "waktu jawab jauh di atas biasanya",
    "slow": "kecepatan jauh di bawah kontrak",
    "dns": "server nama penyedia tidak menjawab",
}
CLASS = {"service": "layanan kantor", "wifi": "WiFi publik", "control": "kotak layanan"}
OTHER_CAUSE = "sebab lain"
LASTING = "masih berlangsung"
UNTIL_BOX_OFF = "sampai kotak mati"
ZONES = {25_200: "WIB", 28_800: "WITA", 32_400: "WIT"}


def cause(code: str) -> str:
    """A cause in words."""
    return CAUSE.get(code, OTHER_CAUSE)


def classes(names: Iterable[str]) -> str:
    """Classes of traffic in words: ``layanan kantor, WiFi publik``; all of them are ``semuanya``."""
    names = tuple(names)
    if set(names) >= set(CLASS):
        return "semuanya"
    return ", ".join(CLASS.get(name, name) for name in names)


def uplink_name(name: str) -> str:
    """A configured name for people: short ones are abbreviations (``PDE``), the rest names (``Telkom``)."""
    return name.upper() if len(name) <= 3 else name.replace("_", " ").capitalize()


def number(value: float | None, digits: int = 0) -> str:
    """A number as Indonesians write it, with a decimal comma; a dash for none."""
    return NONE if value is None else f"{value:.{digits}f}".replace(".", ",")


def contract(mbit: float) -> str:
    """A contracted rate: ``20``, ``2,5``."""
    return f"{mbit:g}".replace(".", ",")


def percent(share: float | None, digits: int = 2) -> str:
    """A share of 0 to 1 in percent, rounded down: 100% is said only of all of it."""
    if share is None:
        return NONE
    if share >= 1:
        return "100%"
    scale = 10**digits
    return f"{number(math.floor(share * 100 * scale + 1e-9) / scale, digits)}%"


def duration(seconds: float) -> str:
    """How long, in its one or two largest units: ``45 detik``, ``3 menit 5 detik``, ``2 jam 5 menit``, ``4 hari``."""
    whole = round(max(0.0, seconds))
    parts: list[tuple[int, str]] = []
    for name, length in (("hari", 86_400), ("jam", 3_600), ("menit", 60), ("detik", 1)):
        count, whole = divmod(whole, length)
        if count or parts:
            parts.append((count, name))
    return " ".join(f"{count} {name}" for count, name in parts[:2] if count) or "0 detik"


def moment(when: datetime) -> str:
    """A point in time within the month: ``3 Okt 07.42.10``."""
    return f"{when.day} {MONTHS[when.month - 1][:3]} {when:%H.%M.%S}"


def day(when: date) -> str:
    """A date: ``3 Oktober 2026``."""
    return f"{when.day} {MONTHS[when.month - 1]} {when.year}"


def zone_name(when: datetime) -> str:
    """What Indonesians call the time zone of `when`: WIB, WITA, WIT, else its offset from UTC."""
    offset = when.utcoffset()
    return ZONES.get(int(offset.total_seconds()) if offset is not None else 0, f"UTC{when:%z}")
