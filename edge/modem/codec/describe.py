"""Pure: a TPDU as names and values, for `kampung-edge sms decode` and other programs."""

from __future__ import annotations

from edge.modem.codec.coding import Coding
from edge.modem.codec.tpdu import Deliver, StatusReport, Submit
from edge.modem.concat import Concat, assemble

Described = dict[str, object]


def describe(message: Deliver | Submit | StatusReport) -> Described:
    """What docs/commands.md says of each key; only values that JSON knows."""
    if isinstance(message, Deliver):
        return _deliver(message)
    return _submit(message) if isinstance(message, Submit) else _status_report(message)


def _deliver(message: Deliver) -> Described:
    return {
        **_common("deliver", message.sender.text, message.text, message.coding, message.smsc),
        "timestamp": message.timestamp or None,
        **_place(message.concat),
        "status": None,
        "port": message.port,
        "flawed": message.flawed,
        "protocol": message.protocol,
        "more": message.more,
        "reply_path": message.reply_path,
    }


def _submit(message: Submit) -> Described:
    return {
        **_common("submit", message.recipient.text, message.text, message.coding, message.smsc),
        "timestamp": None,
        **_place(message.concat),
        "status": None,
        "port": message.port,
        "flawed": message.flawed,
        "protocol": message.protocol,
        "reference": message.reference,
        "report": message.report,
        "reject_duplicates": message.reject_duplicates,
        "reply_path": message.reply_path,
        "validity_s": message.validity.seconds,
        "valid_until": message.validity.moment or None,
    }


def _status_report(message: StatusReport) -> Described:
    return {
        **_common("status_report", message.recipient.text, message.text, message.coding, message.smsc),
        "timestamp": message.timestamp or None,
        **_place(None),
        "status": message.status,
        "delivered": message.delivered,
        "reference": message.reference,
        "discharged": message.discharged or None,
        "more": message.more,
        "of_command": message.of_command,
    }


def _common(kind: str, number: str, text: str, coding: Coding | None, smsc: str) -> Described:
    return {
        "type": kind,
        "number": number,
        "text": assemble([text]),
        "encoding": coding.alphabet if coding else None,
        "class": coding.message_class if coding else None,
        "smsc": smsc or None,
    }


def _place(concat: Concat | None) -> Described:
    if concat is None:
        return {"concat": None, "wide": False}
    place = {"ref": concat.reference, "total": concat.total, "seq": concat.sequence}
    return {"concat": place, "wide": concat.wide}
