"""Everything the office's page says, in one place: plain, polite Indonesian, one short sentence each."""

from __future__ import annotations

import re

REFRESH_S = 5

# --- fixed words of the page -------------------------------------------------------------------------------------
TITLE = "Keadaan layanan"
KIND = {"desa": "Desa", "kelurahan": "Kelurahan"}
ALL_WELL = "Semua layanan berjalan baik"
ATTENTION = "Ada yang perlu diperhatikan"
TROUBLE = "Ada gangguan"
ALL_WELL_HINT = "Tidak ada yang perlu dilakukan."
ATTENTION_HINT = "Layanan tetap berjalan. Keterangannya ada di bawah ini."
TROUBLE_HINT = "Silakan ikuti petunjuk di bawah ini."
CONDITIONS = "Hal yang perlu diperhatikan"
LOST_CONTACT = "Halaman ini belum bisa diperbarui. Isinya keadaan terakhir yang diketahui."
UPLINKS = "Jalur internet"
NO_UPLINKS = "Belum ada jalur internet yang diperiksa."
LOSS = "Data hilang"
DELAY = "Waktu jawab"
USED_BY = "Pemakaian jalur"
NO_UPLINK_LEFT = "Tidak ada jalur yang bisa dipakai"
SMS = "Layanan SMS"
NO_MODEM = "Modem SMS tidak dipasang pada kotak ini."
OPERATOR = "Operator"
SIGNAL = "Sinyal"
SIGNAL_UNKNOWN = "belum diketahui"
BALANCE = "Pulsa"
EXPIRES = "Masa aktif sampai"
SMS_WAITING = "SMS menunggu dikirim"
SMS_UNCERTAIN = "SMS belum pasti terkirim"
SMS_FAILED = "SMS gagal dikirim"
UNREAD = "Pesan warga yang belum dibaca petugas"
SMS_PAUSED = "Pemberitahuan ditunda sementara; balasan tetap dikirim."
PORTAL = "Pengiriman ke portal kabupaten"
NO_PORTAL = "Pengiriman ke portal belum diatur pada kotak ini."
PORTAL_WELL = "Semua sudah terkirim"
PORTAL_WAITING = "Menunggu dikirim"
PORTAL_OLDEST = "Terlama menunggu"
PORTAL_DEAD = "Ditolak portal"
PORTAL_CONTACT = "Terakhir terhubung"
NEVER = "belum pernah"
REQUESTS = "Permohonan terbaru"
STUCK = "Tidak terkirim; menunggu keputusan petugas"
NO_REQUESTS = "Belum ada permohonan."
TICKET = "Tiket"
LETTER = "Surat"
NAME = "Pemohon"
STATE = "Keadaan"
SOURCE = "Lewat"
FILED = "Masuk"
DEVICES = "Perangkat"
DEVICE = "Perangkat"
OPTICAL = "Cahaya serat optik"
TEMPERATURE = "Suhu"
USERS = "Pengguna WiFi"
CABLES = "Kabel"
CABLES_WELL = "terpasang"
CABLES_DOWN = "terputus"
HOST = "Kotak layanan"
CPU = "Prosesor"
MEMORY = "Memori"
DISK = "Penyimpanan"
UPTIME = "Menyala selama"
UPDATED = "Diperbarui"
REFRESHES = f"Halaman ini diperbarui sendiri setiap {REFRESH_S} detik."
MASKED = "Nama pemohon disamarkan untuk menjaga data pribadi."
SINCE = "sejak"
AGO = "lalu"
JUST_NOW = "baru saja"

# --- words for values --------------------------------------------------------------------------------------------
LEVEL = {"up": "Baik", "degraded": "Lambat", "down": "Putus"}
CAUSE = {
    "": "Berjalan baik.",
    "starting": "Sedang diperiksa.",
    "no-device": "Perangkat jaringan tidak ditemukan. Periksa kabel pada kotak.",
    "carrier": "Kabel lepas atau perangkat di ujungnya mati.",
    "no-reply": "Tidak ada jawaban dari internet.",
    "gateway": "Router penyedia tidak menjawab.",
    "beyond-gateway": "Router penyedia menyala, tetapi internet di belakangnya putus.",
    "lossy": "Banyak data hilang di jalan.",
    "delayed": "Jawaban dari internet lambat.",
    "slow": "Kecepatan jauh di bawah langganan.",
    "dns": "Internet tersambung, tetapi nama situs tidak dapat dicari.",
    "captive-portal": "Internet dialihkan ke halaman masuk penyedia. Mohon hubungi Dishubkominfo.",
    "target-fault": "Berjalan baik. Ada alamat pemeriksaan yang tidak menjawab.",
    "no-targets": "Belum ada alamat pemeriksaan.",
    "no-privilege": "Pemantau internet tidak punya izin.",
}
MODEM_STATE = {
    "ready": "Siap menerima dan mengirim SMS",
    "starting": "Modem sedang disiapkan",
    "searching": "Modem sedang mencari sinyal",
    "denied": "Jaringan menolak kartu SIM ini",
    "silent": "Modem tidak menjawab, sedang dipulihkan",
    "sim": "Kartu SIM bermasalah",
    "missing": "Modem tidak terhubung",
}
MODEM_HELD = {
    "credit": "SMS diterima, tetapi pulsa tampaknya habis. Silakan isi pulsa.",
    "barred": "SMS diterima, tetapi operator memblokir pengiriman. Hubungi Dishubkominfo.",
    "network": "SMS diterima. Pengiriman sedang terganggu dan dicoba lagi otomatis.",
    "modem": "SMS diterima. Pengiriman sedang terganggu dan dicoba lagi otomatis.",
    "budget": "SMS diterima. Batas kirim kartu SIM tercapai; sisanya dikirim otomatis nanti.",
}
DEVICE_STATE = {
    "well": "Menyala",
    "starting": "Sedang diperiksa",
    "silent": "Tidak menjawab",
    "secret": "Kunci ditolak",
}
DEVICE_ROLE = {"ont": "ONT", "switch": "Switch", "mikrotik": "MikroTik", "generic": "Perangkat jaringan"}
CLASS = {"service": "Layanan kantor", "wifi": "WiFi publik", "control": "Sistem kotak ini"}
REQUEST_STATE = {
    "draft": "Belum lengkap",
    "received": "Diterima",
    "village_check": "Verifikasi desa",
    "needs_data": "Perlu data",
    "rt_confirmation": "Konfirmasi RT",
    "forwarded": "Dikirim",
    "district_check": "Verifikasi kecamatan",
    "secretary_approval": "Persetujuan sekcam",
    "head_approval": "Persetujuan camat",
    "signing": "Penandatanganan",
    "completed": "Selesai",
    "collected": "Diambil",
    "rejected": "Ditolak",
    "returned": "Dikembalikan",
    "cancelled": "Dibatalkan",
    "expired": "Kedaluwarsa",
}
REQUEST_SOURCE = {"sms": "SMS", "desk": "Loket"}
PART = {
    "attachments": "lampiran",
    "clock": "jam",
    "control": "perintah di kotak",
    "devices": "pemantau perangkat",
    "forwarder": "pengiriman ke portal",
    "history": "catatan jalur internet",
    "holidays": "daftar hari libur",
    "hours": "jam layanan",
    "memory": "pemakaian memori",
    "modem": "modem SMS",
    "monitor": "pemantau jalur",
    "preference": "pilihan jalur",
    "resolver": "nama internet (DNS)",
    "scrub": "pemeriksa penyimpanan",
    "service": "layanan permohonan",
    "sms": "SMS Center",
    "traffic": "pengatur jalur",
    "upkeep": "perawatan penyimpanan",
    "wear": "pemantau kartu memori",
    "web": "halaman ini",
}
SUBJECT = {
    "part-crashed": PART,
    "upstream-certificate": {"own": "milik kotak ini", "portal": "milik portal"},
    "upstream-unreachable": {"up": "pengiriman", "down": "penerimaan kabar"},
}
UNKNOWN = "Belum diketahui"

MONTHS = ("Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des")


def duration(seconds: float) -> str:
    """How long, in the one or two largest units: ``45 detik``, ``3 menit``, ``2 jam 5 menit``, ``4 hari 1 jam``."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} detik"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} menit"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} jam {minutes} menit" if minutes else f"{hours} jam"
    days, hours = divmod(hours, 24)
    return f"{days} hari {hours} jam" if hours else f"{days} hari"


def ago(seconds: float) -> str:
    """How long ago: ``baru saja`` within ten seconds, then ``3 menit lalu``."""
    return JUST_NOW if seconds < 10 else f"{duration(seconds)} {AGO}"


def number(value: float, digits: int = 0) -> str:
    """A number as Indonesians write it, with a decimal comma: ``12,5``."""
    return f"{value:.{digits}f}".replace(".", ",")


def rupiah(amount: int) -> str:
    """An amount of money: ``Rp 25.000``."""
    return f"Rp {amount:,}".replace(",", ".")


def day(date: str) -> str:
    """A date written YYYY-MM-DD as people say it: ``1 Des 2026``; anything else is not known."""
    found = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])-(\d{2})", date)
    return f"{int(found[3])} {MONTHS[int(found[2]) - 1]} {found[1]}" if found else UNKNOWN.lower()


def uplink_name(name: str) -> str:
    """A configured name for people: short ones are abbreviations (``PDE``), the rest names (``Telkom``)."""
    return name.upper() if len(name) <= 3 else name.replace("_", " ").capitalize()


def subject(code: str, text: str) -> str:
    """Whom the condition `code` is about: ``pengiriman``, ``pemantau jalur PDE``, ``Telkom``; "" if the title tells.

    What the configuration names is followed by what belongs to it, as written (``PDE gateway``).
    """
    if text == "modem" and code.startswith(("modem-", "sms-")):
        return ""
    name, space, rest = text.partition(" ")
    own = SUBJECT.get(code, {})
    if name in own:
        return f"{own[name]}{space}{uplink_name(rest)}" if rest else own[name]
    return f"{uplink_name(name)}{space}{rest}"
