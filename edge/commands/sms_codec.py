"""`kampung-edge sms decode` and `encode`: PDUs read and written; no daemon, modem or configuration is needed."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import click

from edge import exits
from edge.commands.common import end
from edge.commands.durations import Duration

if TYPE_CHECKING:
    from edge.modem.codec.describe import Described

_MOST_BYTES = 1024  # a line of a PDU has 384 at most
_MOST_TEXT = 200_000  # 255 parts of four octets a character are less
_LONGEST_S = 63 * 7 * 86_400
_MARK = b"\xef\xbb\xbf"
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029]")


def _number(ctx: click.Context, param: click.Parameter, number: str) -> str:
    """A number that a PDU can hold, or none; a usage error otherwise."""
    del ctx, param
    from edge.modem.codec.fields import Address, write_address

    if number:
        try:
            write_address(Address(number))
        except ValueError as error:
            raise click.BadParameter(f"{number!r}: {error}; write +6281234567890 or 1818") from error
    return number


@click.command("decode", short_help="Read PDUs; one JSON object a line.")
@click.argument("lines", nargs=-1, required=True, metavar="HEX...")
def decode(lines: tuple[str, ...]) -> None:
    """Read PDUs as a modem lists them, the service centre in front, and print one line of JSON for each.

    `-` is standard input, a PDU a line. What is no PDU gives {"error": ...} in its place and exit code 2 at the end.

    \b
    Example: kampung-edge sms decode 07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07
             kampung-edge sms decode - < pdus.txt
    """
    whole = True
    for line in _given(lines):
        read = _read(line)
        whole &= "error" not in read
        _print(read)
    sys.exit(0 if whole else exits.CONFIGURATION)


@click.command("encode", short_help="Write a text as PDUs to be sent; one JSON object a part.")
@click.argument("text", metavar="TEXT")
@click.option(
    "--to", "number", required=True, callback=_number, metavar="NUMBER", help="Whom it is for: +6281234567890, 1818."
)
@click.option(
    "--reference",
    type=click.IntRange(0, 0xFFFF),
    default=0,
    show_default=True,
    help="What joins the parts; its low octet is the TP-MR of the first, the others count on.",
)
@click.option("--wide", is_flag=True, help="Parts under a reference of 16 bits, not 8.")
@click.option("--flash", is_flag=True, help="Shown at once, not kept (class 0).")
@click.option("--report/--no-report", default=True, show_default=True, help="Ask for a status report.")
@click.option("--reject-duplicates", is_flag=True, help="Set TP-RD: the centre may refuse a twin.")
@click.option(
    "--validity",
    type=Duration(1, _LONGEST_S),
    default="3d",
    show_default=True,
    metavar="SPAN",
    help="How long the network tries; rounded up to what a PDU can say.",
)
@click.option("--transliterate", is_flag=True, help="Plain quotes, dashes and dots where that avoids UCS-2.")
@click.option("--smsc", default="", callback=_number, metavar="NUMBER", help="The service centre; else the SIM's own.")
def encode(
    text: str,
    number: str,
    reference: int,
    wide: bool,
    flash: bool,
    report: bool,
    reject_duplicates: bool,
    validity: float,
    transliterate: bool,
    smsc: str,
) -> None:
    """Write TEXT as the fewest PDUs that carry it, and print one line of JSON for each; `-` is standard input.

    Each holds `pdu`, `length` (the argument of AT+CMGS) and what `sms decode` says of it.

    \b
    Example: kampung-edge sms encode --to +6281234567890 "Surat sudah selesai, silakan diambil."
    """
    from edge.modem import concat, pdu
    from edge.modem.codec.describe import describe

    try:
        pieces = concat.split(_text(text), reference, wide=wide, transliterate=transliterate)
        written = [
            pdu.encode_submit(
                pdu.Address(number),
                piece,
                reference=(reference + place) & 0xFF,
                report=report,
                reject_duplicates=reject_duplicates,
                validity_s=validity,
                flash=flash,
                smsc=smsc,
            )
            for place, piece in enumerate(pieces)
        ]
    except ValueError as error:
        end(str(error), exits.CONFIGURATION)
    for line, length in written:
        _print({"pdu": line, "length": length, **describe(pdu.decode(line, length=length))})


def _given(lines: tuple[str, ...]) -> Iterator[bytes]:
    """The PDUs that are asked about, those of standard input as they come."""
    for line in lines:
        given = _lines(sys.stdin.buffer) if line == "-" else iter((line.encode(errors="replace"),))
        yield from (stripped for each in given if (stripped := each.strip()))


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of `file`; of one that is longer than any PDU the beginning, which is too long as well."""
    first = True
    while line := file.readline(_MOST_BYTES):
        ended = line
        while len(ended) == _MOST_BYTES and not ended.endswith(b"\n"):
            ended = file.readline(_MOST_BYTES)
        yield line.removeprefix(_MARK) if first else line
        first = False


def _read(line: bytes) -> Described:
    from edge.modem import pdu
    from edge.modem.codec.describe import describe

    try:
        return describe(pdu.decode(line.decode("ascii", "replace")))
    except pdu.PduError as error:
        return {"error": str(error)}


def _text(text: str) -> str:
    if text == "-":
        octets = sys.stdin.buffer.read(_MOST_TEXT + 1)
        if len(octets) > _MOST_TEXT:
            raise ValueError("the text on standard input needs more parts than a message can have")
        text = octets.decode(errors="surrogateescape").removesuffix("\n").removesuffix("\r")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("the text is not in UTF-8")
    return text


def _print(values: Described) -> None:
    # What some programs take for the end of a line, and some terminals for a command, JSON would leave as it is.
    line = _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(values, ensure_ascii=False))
    # In UTF-8 whatever the terminal's locale is: a program reads this.
    click.echo(line.encode())
