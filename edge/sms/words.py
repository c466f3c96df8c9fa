"""Pure: the words villagers use beside the names of letters: labels, markers, greetings, complaints, thanks.

Indonesian, with the Javanese and Osing that people mix in, and SMS spelling. All lower case.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from edge.sms import letters

Role = Literal["letter", "weak", "name", "nik", "kk", "kin", "purpose", "ignore", "ignore:", "complaint", "text"]


def _set(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


NAME_LABELS = (
    *("nama", "nama lengkap", "nama pemohon", "nama anak", "nama bayi", "nama warga", "nm", "a.n", "a/n", "an"),
    *("atas nama", "jeneng", "jenenge", "asma", "asmane", "asmanipun", "aran", "arane", "jenengan kulo"),
)
NIK_LABELS = ("nik", "no nik", "nomor nik", "nik ktp", "no ktp", "nomor ktp", "noktp", "nik pemohon", "nik anak")
KK_LABELS = ("no kk", "nomor kk", "nokk", "no kartu keluarga", "nomor kartu keluarga")
KIN = ("ibu", "ayah", "pelapor", "bapak")
KIN_LABELS = tuple(
    f"{label} {kin}" for kin in (*KIN, "ibunya", "ayahnya", "ibune") for label in ("nik", "ktp", "no ktp")
)
PURPOSE_MARKERS = ("utk", "untuk", "buat", "kanggo", "nggo", "keperluan", "keperluannya", "guna", "untk", "gawe")
# Labels of a pasted form whose value is no field of ours; those with ":" only where a colon follows.
IGNORED = (
    *("tgl lahir", "tanggal lahir", "tempat lahir", "tmpt lahir", "ttl", "tgl kelahiran", "jenis kelamin", "alamat"),
    *("gol darah", "golongan darah", "status kawin", "status perkawinan", "no hp", "nomor hp", "no telp", "no wa"),
    *("nama ibu", "nama ayah", "nama pelapor", "nama bapak", "nama suami", "nama istri", "nama ortu", "almt"),
)
IGNORED_WITH_COLON = (
    "status",
    "agama",
    "pekerjaan",
    "kerja",
    "hp",
    "telp",
    "wa",
    "email",
    "jk",
    "umur",
    "usia",
    "kelamin",
)
# Phrases that look like a letter or a label but are none.
PLAIN_TEXT = (
    "sesuai ktp",
    "di ktp",
    "fotokopi ktp",
    "foto ktp",
    "fc ktp",
    "fc kk",
    "foto kk",
    "fotokopi kk",
    "jalan raya",
    "lampu jalan",
    *(f"selamat {time}" for time in ("pagi", "siang", "sore", "malam")),
)
COMPLAINT_PHRASES = (
    *("jalan rusak", "jalan berlubang", "jalan bolong", "mati lampu", "lampu mati", "lampu jalan mati"),
    *("listrik mati", "mati listrik", "air mati", "pdam mati", "mati air", "kok lama", "lama sekali"),
    *("lama banget", "suwe banget", "minta uang", "diminta uang", "dimintai uang"),
)
COMPLAINTS = _set(
    "rusak berlubang bolong mampet macet sampah bau bising pungli dipungli dipungut korupsi komplain keluhan",
    "mengeluh aduan pengaduan mengadu ngadu kecewa protes lelet lemot suwe tumbang ambles",
)
# What can be "mati" and is no person.
SUPPLIES = _set("lampu listrik pln pju pdam air wifi internet")
EMERGENCIES = _set(
    "kebakaran kobongan banjir longsor gempa tsunami kecelakaan tabrakan maling rampok perampokan begal darurat",
    "ambulan ambulans tenggelam kelelep tawuran pembunuhan dibacok",
)
AID = _set("bantuan bansos pkh blt bpnt sembako raskin rastra bst bltdd")
NOISE = _set(
    "tolong tlg tlong mohon mhn minta mnt nyuwun sewu njaluk isun kulo kula dalem aku saya sy ingsun arep ajeng",
    "pengen mau mo ingin pingin mbuat bikin buatkan buatin bikinkan gawekno gawekake damel ngurus urus daftar",
    "daftarkan reg ajukan mengajukan pengajuan permohonan surat srt pemohon dong donk ya nggih njih nggeh ta to",
    "lah deh sih pak bu bpk bapak ibu sdr sdri sdra mbah alm almh mas mbak mba kang yuk cak gus bang kak dik dek",
    "om tante assalamualaikum asalamualaikum assalamu'alaikum asslm ass wr wb wassalam salam pagi siang sore",
    "malam halo hallo hai hi permisi punten kulonuwun maaf sorry kades lurah kadus admin petugas min yth kepada",
    "makasih mksh mksih terimakasih trims trimakasih tks thx thanks suwun nuwun matur kasih terima tq sebelumnya",
    "dan atau ini itu nya ulang jenis letter untuknya",
)
THANKS = _set(
    "makasih mksh mksih terimakasih terima kasih trims trimakasih tks thx thanks suwun nuwun matur maturnuwun tq",
    "ok oke okay okey oce siap iya ya yo yoi baik betul nggih njih nggeh inggih sip mantap alhamdulillah amin",
    "aamiin sama sami banyak sanget sebelumnya kembali monggo sudah paham ngerti",
)
# Words that end a name: they are common in messages and no names.
STOP = _set(
    "bawa depan belakang samping dekat yang yg di ke dari dr pada dengan dgn dlm dalam adalah ada apa apakah",
    "bagaimana gimana piye kapan kenapa kok dimana sudah udah sdh wis belum blm durung bisa isa saged tidak tdk",
    "gak nggak ga ora mboten bukan besok sekarang kemarin hari jam kantor desa kelurahan kecamatan kec kab dusun",
    "dsn kampung kp jl jln gang gg no nomor rumah warga orang anak istri suami orang ortu bapaknya ibunya adik",
    "kakak cucu lagi juga saja aja karena krn soalnya supaya biar agar kalau kalo klo jika tapi tetapi lalu terus",
    "trus kemudian segera cepat cepet secepatnya butuh perlu cara syarat biaya berapa bayar kapan jadi selesai",
    "dadi status cek batal bantuan info tiket lewat via sms wa hp telp iya ya yo tes test rt rw asal alamat",
    "tinggal umur lahir tempat tanggal tgl bulan tahun th kawin belum nikah cerai mati hidup swasta buka tutup",
    "libur uang rp ribu rb gratis kirim kirimkan balas jawab tanya nanya nomer kartu data ktp kk nik nama baru",
    "lama punya saget angsal wonten niki niku iki iku teng nang ring nong wargane siapa sapa",
)
ADDRESS = _set("dusun dsn desa kampung kp jl jln gang gg rt rw alamat kec kecamatan kab ds lingkungan lingk perum")
# Nouns of a purpose, written right after the name without a marker.
PURPOSES = _set(
    "acara jual jualan dagang bengkel toko kios ternak beasiswa sekolah kuliah bpjs kip pip kis kks jamkesmas",
    "berobat operasi rs rsud puskesmas lamaran melamar kredit pinjaman modal bank pendaftaran keringanan spp ukt",
    "pernikahan",
)
QUESTIONS = _set(
    "syarat syarate syaratnya persyaratan info informasi cara carane caranya biaya berapa brp bayar piro pinten",
)
# These ask about a letter only where no number stands beside it.
PLAIN_QUESTIONS = _set("apa apakah gimana bagaimana piye bawa")
STATUS = _set("status cek check ceck cekk")
CANCEL = _set("batal batalkan batalin cancel dibatalkan membatalkan")
HELP = _set("bantuan help menu panduan petunjuk info informasi tolong bantu")
STOPPING = _set("stop unreg berhenti unsub")
STARTING = _set("mulai start lanjut aktifkan")
RECAP = _set("rekap rekapan")
TESTS = _set("p pp test tes tess ping testing coba cek1 halo")
YES = _set("ya iya iyo yo betul benar bener nggih njih inggih leres setuju")
NO = _set("tidak tdk bukan gak nggak enggak ga ora mboten dudu sanes no")
STATUS_PHRASES = (
    *("sudah jadi", "sdh jadi", "udah jadi", "sudah selesai", "sdh selesai", "udah selesai", "sampai mana"),
    *(
        "sampe mana",
        "sampai dimana",
        "kapan jadi",
        "kapan selesai",
        "wis dadi",
        "wes dadi",
        "sampun dados",
        "jadi belum",
    ),
    *("selesai belum", "belum jadi", "blm jadi", "durung dadi", "sudah bisa diambil", "bisa diambil", "kapan bisa"),
)
CANCEL_PHRASES = ("tidak jadi", "tdk jadi", "gak jadi", "nggak jadi", "ga jadi", "ora sido", "mboten sios")
PROMOTIONS = _set(
    "promo diskon cashback bonus hadiah undian pemenang pulsa kuota paket internet pinjaman klik gratis voucher",
    "nikmati transfer slot judi jackpot deposit",
)
AUTOMATIC = ("pesan otomatis", "auto reply", "autoreply", "automatic reply", "sedang mengemudi", "sedang sibuk")


def _table() -> Mapping[tuple[str, ...], tuple[Role, str]]:
    roles: dict[tuple[str, ...], tuple[Role, str]] = {}
    weak = letters.weak_words()
    for phrase, key in letters.phrases().items():
        roles[phrase] = ("weak" if " ".join(phrase) in weak else "letter", key)
    plain: tuple[tuple[Role, tuple[str, ...]], ...] = (
        ("name", NAME_LABELS),
        ("nik", NIK_LABELS),
        ("kk", KK_LABELS),
        ("purpose", PURPOSE_MARKERS),
        ("ignore", IGNORED),
        ("ignore:", IGNORED_WITH_COLON),
        ("complaint", COMPLAINT_PHRASES),
        ("text", PLAIN_TEXT),
    )
    for role, phrases in plain:
        roles |= {tuple(phrase.split()): (role, "") for phrase in phrases}
    for label in KIN_LABELS:
        roles[tuple(label.split())] = ("kin", label.split()[-1])
    for kin in KIN:
        roles[(kin, "nik")] = ("kin", kin)
    return MappingProxyType(roles)


ROLES = _table()
LONGEST_PHRASE = max(len(phrase) for phrase in ROLES)
