"""A request as OpenDK wants it: one page of PDF and the fields of a letter. Pure.

OpenDK's letter is a PDF that a village has drawn up; what the box has is a request, so the page says what was asked
for, by whom and when, and nothing else. The PDF is the smallest that readers take (ISO 32000-1 section 7.5): one page,
one standard font, text in WinAnsiEncoding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_FILE = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})")
_LINE_MOST = 90


def fields(content: Mapping[str, Any], *, village: str) -> dict[str, str]:
    """The fields of the form. `nomor` is unique at OpenDK: it holds the request's id, so a resend is known again."""
    applicant = content["applicant"]
    return {
        "desa_id": village,
        "nik": str(applicant.get("nik") or ""),
        "tanggal": str(content["created_at"])[:10],
        "nomor": f"{content['ticket']}/{content['id']}",
        "nama": f"Permohonan {content['letter']} {content['ticket']}",
    }


def file_name(content: Mapping[str, Any]) -> str:
    """The file's name: OpenDK keeps it and shows it in its list, where it shows no `nomor`."""
    return f"{content['id']}.pdf"


def request_of(letter: Mapping[str, Any]) -> str | None:
    """Which request a letter in OpenDK's list is, None for one that is not the box's."""
    for field in ("nomor", "file"):
        found = _FILE.search(str(letter.get(field) or ""))
        if found:
            return found[1]
    return None


def page(content: Mapping[str, Any]) -> bytes:
    """The request on one page."""
    applicant = content["applicant"]
    rt, rw = applicant.get("rt"), applicant.get("rw")
    lines = [
        "PERMOHONAN LAYANAN SURAT",
        "",
        f"Tiket        : {content['ticket']}",
        f"Jenis surat  : {content['letter']}",
        f"Nama         : {applicant.get('name') or '-'}",
        f"NIK          : {applicant.get('nik') or '-'}",
        f"Nomor KK     : {applicant.get('kk') or '-'}",
        f"RT / RW      : {rt or '-'} / {rw or '-'}",
        f"Keperluan    : {content.get('purpose') or '-'}",
        f"Diterima     : {str(content['created_at'])[:16].replace('T', ' ')} UTC",
        "",
        "Dikirim oleh kampung-edge dari kantor desa. Bukan surat keterangan.",
    ]
    return _pdf(lines)


def _pdf(lines: Sequence[str]) -> bytes:
    drawn = b"".join(b"(" + _escaped(line) + b") Tj T*\n" for line in lines)
    text = b"BT /F1 11 Tf 16 TL 60 780 Td\n" + drawn + b"ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
            b"/Resources << /Font << /F1 5 0 R >> >> >>"
        ),
        b"<< /Length %d >>\nstream\n" % len(text) + text + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>",
    ]
    body, places = bytearray(b"%PDF-1.4\n"), []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n" % number + content + b"\nendobj\n"
    table = len(body)
    body += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    body += b"".join(b"%010d 00000 n \n" % place for place in places)
    body += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(body)


def _escaped(line: str) -> bytes:
    """A string of a PDF (section 7.3.4.2): WinAnsi, its three special characters escaped, no control characters."""
    printable = "".join(letter if letter.isprintable() else " " for letter in line)[:_LINE_MOST]
    return re.sub(rb"([\\()])", rb"\\\1", printable.encode("cp1252", "replace"))
