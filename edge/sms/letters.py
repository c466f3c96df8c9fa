"""Pure: the table of letter types.

The key is our own. The slug is OpenSID's name of the same letter (its numeric codes repeat, so nothing is keyed by
them). A new letter is a new row here and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class LetterType:
    """A kind of letter: its words, its name in an SMS, what to bring, how long it takes, what a request should tell.

    `words` are lower case; a phrase has its words separated by one space. `weak` words count only where no other type
    is named. `telling` words are their own answer to the one slot in `slots`. `slots` are the facts wanted beyond NIK
    and name (purpose, business, event); `days` is in working days.
    """

    key: str
    label: str
    slug: str
    words: tuple[str, ...]
    needs: str
    days: int
    slots: tuple[str, ...] = ()
    weak: tuple[str, ...] = ()
    telling: tuple[str, ...] = ()


_SKTM_WORDS = (
    "sktm",
    "spm",
    "miskin",
    "tidak mampu",
    "tdk mampu",
    "gak mampu",
    "kurang mampu",
    "krg mampu",
    "ora mampu",
    "gakin",
)

_TABLE = (
    LetterType(
        "SKTM",
        "Ket Kurang Mampu",
        "surat-keterangan-kurang-mampu",
        _SKTM_WORDS,
        "KTP, KK",
        2,
        slots=("purpose",),
    ),
    LetterType(
        "DOMISILI", "Ket Domisili", "surat-keterangan-domisili", ("domisili", "dom", "skd", "ngontrak"), "KTP, KK", 2
    ),
    LetterType(
        "USAHA",
        "Ket Usaha",
        "surat-keterangan-usaha",
        ("usaha", "sku", "dodolan", "warung", "kur"),
        "KTP, KK",
        2,
        slots=("business", "purpose"),
    ),
    LetterType(
        "DOMUSAHA",
        "Ket Domisili Usaha",
        "surat-keterangan-domisili-usaha",
        ("domusaha", "skdu", "domisili usaha"),
        "KTP, KK",
        2,
    ),
    LetterType(
        "SKCK",
        "Pengantar SKCK",
        "surat-pengantar-surat-keterangan-catatan-kepolisian",
        ("skck", "kelakuan baik", "skkb"),
        "KTP, KK",
        2,
    ),
    LetterType(
        "KTP", "Ket KTP Proses", "surat-keterangan-ktp-dalam-proses", ("ktp", "ektp", "e-ktp", "e ktp"), "KK", 2
    ),
    LetterType(
        "KK",
        "Kartu Keluarga",
        "surat-permohonan-kartu-keluarga",
        ("kk", "kartu keluarga", "c1", "tambah anak"),
        "KTP, KK lama",
        3,
    ),
    LetterType(
        "LAHIR",
        "Ket Kelahiran",
        "surat-keterangan-kelahiran",
        (
            "lahir",
            "kelahiran",
            "akta",
            "akte",
            "akta lahir",
            "akte lahir",
            "akta kelahiran",
            "akte kelahiran",
            "procot",
            "lair",
        ),
        "KK, surat bidan",
        3,
    ),
    LetterType(
        "MATI",
        "Ket Kematian",
        "surat-keterangan-kematian",
        ("mati", "kematian", "akta kematian", "akte kematian", "meninggal", "wafat", "seda", "pejah"),
        "KTP, KK alm",
        3,
    ),
    LetterType(
        "PINDAH",
        "Ket Pindah",
        "surat-keterangan-pindah-penduduk",
        ("pindah", "boyong", "pindhah"),
        "KTP, KK",
        3,
    ),
    LetterType(
        "NIKAH",
        "Pengantar Nikah",
        "surat-keterangan-nikah",
        ("nikah", "n1", "n2", "n4", "kawin", "rabi", "numpang nikah"),
        "KTP, KK, akta",
        3,
    ),
    LetterType(
        "RAMAI",
        "Izin Keramaian",
        "surat-pengantar-izin-keramaian",
        ("ramai", "keramaian", "hajatan", "mantu", "gandrung", "jaranan"),
        "KTP, KK",
        3,
        slots=("event",),
        telling=("hajatan", "mantu", "gandrung", "jaranan"),
    ),
    LetterType(
        "HILANG",
        "Pengantar Kehilangan",
        "surat-pengantar-laporan-kehilangan",
        ("hilang", "kehilangan", "ilang"),
        "KTP, KK",
        1,
    ),
    LetterType(
        "BEDA",
        "Ket Beda Identitas",
        "surat-keterangan-beda-identitas",
        ("beda", "beda nama", "beda identitas"),
        "KTP, KK, akta",
        2,
    ),
    LetterType(
        "HASIL",
        "Ket Penghasilan",
        "surat-keterangan-penghasilan-orang-tua",
        ("hasil", "penghasilan", "penghasilan ortu", "penghasilan orang tua"),
        "KTP, KK",
        2,
    ),
    LetterType(
        "JALAN",
        "Ket Bepergian",
        "surat-keterangan-bepergian",
        ("bepergian", "surat jalan"),
        "KTP",
        1,
        weak=("jalan",),
    ),
    LetterType(
        "PENGANTAR",
        "Surat Pengantar",
        "surat-keterangan-pengantar",
        (),
        "KTP, KK",
        1,
        weak=("pengantar", "suket", "keterangan"),
    ),
)

LETTERS: Mapping[str, LetterType] = MappingProxyType({letter.key: letter for letter in _TABLE})


def phrases() -> dict[tuple[str, ...], str]:
    """Every word and phrase of every type, as a tuple of words, with the type's key."""
    return {tuple(words.split()): letter.key for letter in _TABLE for words in (*letter.words, *letter.weak)}


def weak_words() -> frozenset[str]:
    """The words that name a type only where no other is named."""
    return frozenset(word for letter in _TABLE for word in letter.weak)


def missing(key: str, purpose: str) -> tuple[str, ...]:
    """The slots of type `key` that a request without more than `purpose` leaves open."""
    return () if purpose else LETTERS[key].slots


def slots(key: str) -> tuple[str, ...]:
    """The facts beyond NIK and name that type `key` wants."""
    return LETTERS[key].slots if key in LETTERS else ()


def telling(key: str) -> tuple[str, ...]:
    """The words of type `key` that are an answer themselves (``mantu`` names the event)."""
    return LETTERS[key].telling if key in LETTERS else ()


def label(key: str) -> str:
    """The name of a letter as people read it; an unknown key (from another version's row) is shown as it is."""
    return LETTERS[key].label if key in LETTERS else key
