"""Pure: the catalogue of everything an SMS from the office may say, and how it is made to fit.

Every message is one SMS of 160 septets of GSM-7 (3GPP TS 23.038), signed with the office's name. Operators are reported
to block messages from ordinary numbers that hold a URL, certain words, or a number of more than three digits, so the
templates hold none, and whatever comes from outside is cleaned to the same rules.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

from edge.sms import letters

MOST_SEPTETS = 160
FILTERED = (
    "kode verifikasi",
    "otp",
    "pin",
    "akun",
    "username",
    "password",
    "token",
    "dana",
    "selamat",
    "nomor",
    "juta",
)
LETTER_LIST = "SKTM DOMISILI USAHA SKCK KTP KK LAHIR MATI PINDAH NIKAH RAMAI HILANG"

TEMPLATES: Mapping[str, str] = MappingProxyType(
    {
        "RECEIVED": "Terima kasih {name}. Permohonan {letter} diterima, tiket {ticket}. Cek: STATUS {ticket}. "
        "Batal: BATAL {ticket}.",
        "ASK_NIK": "Untuk {letter} mohon kirim NIK pemohon (16 angka di KTP atau KK) dan nama. "
        "Balas: {key} spasi NIK spasi NAMA.",
        "ASK_NAME": "NIK sudah kami terima. Mohon balas dengan nama lengkap sesuai KTP untuk {letter}.",
        "NIK_LENGTH": "NIK yang terbaca {n} angka, seharusnya 16. Mohon cek KTP atau KK lalu kirim ulang: "
        "{key} spasi NIK spasi NAMA.",
        "NIK_FORM": "Susunan NIK belum sesuai (bagian tanggal lahir). Mohon cek KTP atau KK lalu kirim ulang: "
        "{key} spasi NIK spasi NAMA.",
        "WHICH_LETTER": "Jenis surat belum kami kenali. Pilih: " + LETTER_LIST + ". Balas: JENIS NIK NAMA.",
        "HELP": "Ajukan surat: JENIS NIK NAMA. JENIS: " + LETTER_LIST + ". Cek: STATUS. Layanan gratis.",
        "STATUS": "{ticket} {letter}: {state} sejak {n} hari lalu. Kami kabari bila selesai.",
        "STATUS_READY": "{ticket} {letter}: {state} sejak {n} hari lalu. "
        "Silakan ambil di kantor desa pada jam kerja, bawa KTP.",
        "STATUS_CLOSED": "{ticket} {letter}: {state} sejak {n} hari lalu. "
        "Bila ada pertanyaan, silakan ke kantor desa pada jam kerja.",
        "NOTHING_OPEN": "Belum ada permohonan aktif dari HP ini. Untuk mengajukan balas: JENIS NIK NAMA. "
        "Bantuan: balas INFO.",
        "NO_SUCH_TICKET": "Tiket {ticket} tidak ditemukan untuk HP ini. Cek lagi tulisannya atau datang ke kantor desa "
        "membawa KTP.",
        "DUPLICATE": "Permohonan {letter} untuk NIK ini masih diproses, tiket {ticket}. Tidak dibuat baru. "
        "Cek: STATUS {ticket}.",
        "CANCELLED": "Permohonan {ticket} {letter} sudah dibatalkan sesuai permintaan Anda.",
        "CONFIRM_CANCEL": "Yakin batal {letter} tiket {ticket}? Balas: BATAL {ticket}. Abaikan bila tidak.",
        "CANCEL_FORWARDED": "Permintaan batal {ticket} kami teruskan ke kecamatan. Hasilnya akan kami kabarkan.",
        "ONE_AT_A_TIME": "Satu SMS untuk satu surat ya. Kirim terpisah: {key} NIK NAMA, lalu {key2} NIK NAMA.",
        "TO_STAFF": "Pesan Anda diteruskan ke petugas desa dan dibaca pada jam kerja. "
        "Untuk surat balas: JENIS NIK NAMA.",
        "EMERGENCY": "Laporan Anda diteruskan ke petugas desa. Bila darurat segera telepon 112 atau "
        "Ketua RT/Kadus terdekat.",
        "INFO": "{letter}: bawa {needs}. Gratis, selesai kira-kira {days} hari kerja. Kantor buka {hours}. "
        "Ajukan: {key} spasi NIK spasi NAMA.",
        "WHICH_TICKET": "Anda punya {n} permohonan: {tickets}. Balas: STATUS spasi tiket.",
        "RETURNED": "{ticket} {letter} dikembalikan: {why}. Mohon lengkapi di kantor desa atau hubungi Ketua RT.",
        "DRAFT_EXPIRED": "Permohonan {letter} belum lengkap dan kami tutup. Silakan ajukan lagi: "
        "{key} spasi NIK spasi NAMA.",
        "COMPLAINT": "Aduan Anda tercatat, no aduan {ticket}. Petugas membalas pada jam kerja.",
        "STARTED": "Pemberitahuan ke HP ini aktif lagi. Cek permohonan: balas STATUS.",
        "RECAP": "Kec {district}: baru {a}, diproses {b}, selesai {c}, lewat 30 hari {d}. Data per {time}.",
        "STAFF_ALERT": "{kind} dari {phone}: {what}. Buka halaman petugas.",
        "LIMIT": "Pesan dari HP ini sudah banyak hari ini. Permohonan Anda tetap diproses. Coba lagi besok atau datang "
        "ke kantor desa.",
        "STOPPED": "Pemberitahuan ke HP ini dihentikan. Permohonan tetap diproses. Aktifkan lagi: balas MULAI.",
        "MISSING": "{ticket} {letter}: data kurang ({what}). Mohon bawa ke kantor desa atau hubungi Ketua RT.",
        "COMPLETED": "{ticket} {letter} a.n. {name} sudah selesai. "
        "Silakan ambil di kantor desa pada jam kerja, bawa KTP.",
        "REJECTED": "{ticket} {letter} belum dapat disetujui: {why}. Silakan ke kantor desa untuk penjelasan.",
        "RT_CONFIRM": "Yth Ketua RT {rt} RW {rw}: {name} ajukan {letter}, belum tercatat di data desa. Warga Anda? "
        "Balas YA {word} atau TIDAK {word}.",
        "RT_MISSING": "Yth Ketua RT {rt} RW {rw}: data {name} untuk {letter} belum lengkap ({what}). "
        "Mohon bantu warga melengkapi. {ticket}",
        "RT_COMPLETED": "Yth Ketua RT {rt} RW {rw}: {letter} a.n. {name} sudah selesai, bisa diambil di kantor desa. "
        "{ticket}",
        "RT_THANKS": "Terima kasih. Jawaban Bapak/Ibu untuk {ticket} sudah dicatat.",
        "OVERDUE": "PERINGATAN Kec {district}: {n} permohonan belum diproses lebih dari 30 hari. Tertua {ticket} "
        "Desa {name}, {d} hari. Mohon cek portal.",
    }
)
UNSIGNED = frozenset({"OVERDUE"})
ERRORS = frozenset({"NIK_LENGTH", "NIK_FORM", "WHICH_LETTER", "ONE_AT_A_TIME", "NO_SUCH_TICKET", "HELP", "LIMIT"})

STATES: Mapping[str, str] = MappingProxyType(
    {
        "received": "diterima",
        "village_check": "verifikasi di desa",
        "needs_data": "perlu data tambahan",
        "rt_confirmation": "menunggu konfirmasi RT",
        "forwarded": "sudah dikirim ke kecamatan",
        "district_check": "verifikasi di kecamatan",
        "secretary_approval": "menunggu persetujuan Sekcam",
        "head_approval": "menunggu persetujuan Camat",
        "signing": "proses tanda tangan",
        "completed": "sudah selesai",
        "collected": "sudah diambil",
        "rejected": "belum dapat disetujui",
        "returned": "dikembalikan",
        "cancelled": "dibatalkan",
        "expired": "kedaluwarsa",
    }
)
SLOTS: Mapping[str, str] = MappingProxyType(
    {"purpose": "keperluan", "business": "jenis usaha", "event": "acara", "nik": "NIK", "name": "nama", "kk": "no KK"}
)

_LEAST = 3
_ORDER = ("name", "what", "why", "letter", "tickets", "hours", "needs", "office")
_SAFE = re.compile(r"[^A-Za-z0-9 .,:;'()/+?!&%\-]")
_URL = re.compile(r"(?:https?://|www\.)\S*|\b[A-Za-z0-9\-]+\.(?:com|net|org|id|ly|me|co)\b\S*", re.IGNORECASE)
_FILTERED = re.compile(rf"\b(?:{'|'.join(FILTERED)})\b", re.IGNORECASE)
_DIGITS = re.compile(r"\d{4,}")


class Catalogue:
    """The messages of one office: `name` of the village, `kind` desa or kelurahan."""

    def __init__(self, name: str, kind: str) -> None:
        self._town = kind == "kelurahan"
        self.office = f"{'Kel' if self._town else 'Desa'} {clean(name)}"

    @property
    def signature(self) -> str:
        """What ends every signed message."""
        return f" -{self.office}"

    def text(self, code: str, **fill: object) -> str:
        """The message `code` filled in and made to fit one SMS. KeyError for an unknown code or a missing field."""
        template = TEMPLATES[code] + ("" if code in UNSIGNED else " -{office}")
        if self._town:
            template = re.sub(r"\bdesa\b", "kelurahan", template).replace("Desa {name}", "Kel {name}")
        if code.startswith("STATUS") and fill.get("n") == 0:
            template = template.replace("{n} hari lalu", "hari ini")
        values = {name: clean(str(value)) for name, value in fill.items()} | {"office": self.office}
        if "name" in values:
            values["name"] = values["name"] or "Bapak/Ibu"
        return _fit(template, values)


def clean(text: str) -> str:
    """Outside text as it may stand in an SMS: plain letters, no URL, no filtered word, no run of four digits."""
    plain = unicodedata.normalize("NFKD", _URL.sub(" ", text))
    safe = _SAFE.sub(" ", "".join(c for c in plain if not unicodedata.combining(c)))
    return " ".join(_DIGITS.sub(" ", _FILTERED.sub(" ", " ".join(safe.split()))).split()).strip(" .,;:-")


def missing(slots: tuple[str, ...]) -> str:
    """What a request lacks, in words."""
    return " dan ".join(SLOTS.get(slot, slot) for slot in slots)


def letter_fill(key: str) -> dict[str, object]:
    """The fields every message about a letter may use."""
    return {"letter": letters.label(key), "key": key}


def _fit(template: str, values: dict[str, str]) -> str:
    text = template.format(**values)
    for field in _ORDER:
        over = len(text) - MOST_SEPTETS
        if over <= 0:
            break
        if field in values and f"{{{field}}}" in template:
            values[field] = _shorter(field, values, len(values[field]) - over)
            text = template.format(**values)
    return text


def _shorter(field: str, values: dict[str, str], length: int) -> str:
    """A field's shorter form: a label gives way to its key, opening hours to the first of them, the rest is cut."""
    text = values[field]
    if field == "letter" and len(values.get("key", text)) < len(text):
        return values["key"]
    if field in ("hours", "tickets"):
        while len(text) > length and "," in text:
            text = text.rpartition(",")[0]
        if len(text) <= length:
            return text
    return _shorten(text, length)


def _shorten(text: str, length: int) -> str:
    """The beginning of `text`, whole words where they fit, at most `length` long but never under `_LEAST`."""
    length = max(length, _LEAST)
    if len(text) <= length:
        return text
    cut = text[:length]
    if text[length] != " " and " " in cut:
        cut = cut.rpartition(" ")[0]
    return cut.rstrip(" .,;:-'(") or text[:length]
