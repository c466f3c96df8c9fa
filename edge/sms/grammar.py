"""Pure: what a villager wrote to what was meant.

The order of decisions: automatic senders, promotions and loops; a one-time word; thanks; a lone command; an emergency
and a complaint; a ticket; a letter type; an open draft; status or cancel in plain language; help.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from edge.sms import claims, names, words
from edge.sms.fields import Fields
from edge.sms.letters import slots, telling
from edge.sms.message import Command, Draft, Message
from edge.sms.normalise import simplify, squeeze, tokens

_PROMOTION_WORDS = 2


def read(
    text: str,
    *,
    alphanumeric: bool = False,
    one_time_words: Collection[str] = (),
    draft: Draft | None = None,
    signature: str = "",
) -> Message:
    """Understand one message; never raises, whatever the text.

    `alphanumeric` says that the sender is no number. `one_time_words` are the words sent to this very number for an
    open question. `draft` is the sender's unfinished request. `signature` ends every message of this office: one
    that carries it is our own, come back.
    """
    fields = Fields(tokens(text))
    spoken = fields.words()
    told = _untouchable(text, fields, spoken, alphanumeric=alphanumeric, signature=signature)
    if told is None:
        told = _answer(spoken, one_time_words) or _thanks(fields, spoken) or _lone_command(fields, spoken)
    return told or _staff(fields, spoken) or _ticket(fields, spoken) or _rest(fields, spoken, draft)


def _rest(fields: Fields, spoken: list[str], draft: Draft | None) -> Message:
    named = claims.letters(fields)
    if named:
        return _letter(fields, spoken, named, draft)
    if draft is not None and (continued := _continue(fields, draft)) is not None:
        return continued
    if fields.numbers:
        return replace(_claim(fields, ""), kind="ask", reply="WHICH_LETTER")
    return _plain(spoken)


# ---- (1) to (3): what is no request at all -------------------------------------------------------------------------


def _untouchable(text: str, fields: Fields, spoken: list[str], *, alphanumeric: bool, signature: str) -> Message | None:
    if alphanumeric:
        return Message("ignore", why="automatic")
    if signature and squeeze(text).endswith(squeeze(signature)):
        return Message("ignore", why="loop")
    flat = " ".join(simplify(text).lower().split())
    if any(phrase in flat for phrase in words.AUTOMATIC):
        return Message("ignore", why="automatic")
    marks = len(words.PROMOTIONS & set(spoken)) + sum(token.kind == "url" for token in fields.tokens)
    if marks >= _PROMOTION_WORDS and not fields.numbers and not fields.letters:
        return Message("ignore", why="promotion")
    return None


def _answer(spoken: list[str], one_time_words: Collection[str]) -> Message | None:
    said = set(spoken)
    word = next((word for word in one_time_words if word.lower() in said), None)
    if word is None or not said & (words.YES | words.NO):
        return None
    return Message("answer", answer="no" if said & words.NO else "yes", word=word.upper())


def _thanks(fields: Fields, spoken: list[str]) -> Message | None:
    alone = all(token.kind in ("word", "break", "colon") for token in fields.tokens)
    if alone and words.THANKS & set(spoken) and set(spoken) <= words.THANKS | words.NOISE:
        return Message("ignore", why="thanks")
    return None


def _lone_command(fields: Fields, spoken: list[str]) -> Message | None:
    """A command word with nothing beside it but noise, a ticket or a letter."""
    if fields.numbers:
        return None
    said = set(spoken)
    if not fields.tickets and not fields.letters and said <= words.NOISE | words.TESTS:
        asked = bool(said & words.HELP)
        return Message("command", command="HELP", why="asked" if asked else "empty")
    content = said - words.NOISE - _letter_words(fields)
    letter = (fields.letters or [""])[0]
    found = Message("command", letter=letter)
    for command, own in _LONE:
        if content and content <= own:
            return _with_ticket(replace(found, command=command), fields)
    if content <= words.QUESTIONS and content and letter:
        return replace(found, command="INFO")
    if content and content <= words.HELP and not letter and not fields.tickets:
        return Message("command", command="HELP", why="asked")
    return None


_LONE: tuple[tuple[Command, frozenset[str]], ...] = (
    ("STATUS", words.STATUS | {"tiket", "nomor", "no"}),
    ("CANCEL", words.CANCEL | {"tiket"}),
    ("STOP", words.STOPPING | {"sms"}),
    ("START", words.STARTING | {"sms"}),
    ("RECAP", words.RECAP),
)


def _letter_words(fields: Fields) -> set[str]:
    return {word for text in fields.letter_words.values() for word in text.lower().split()}


def _with_ticket(message: Message, fields: Fields) -> Message:
    if not fields.tickets:
        return message
    token = next((token for token in fields.tickets if token.key), fields.tickets[0])
    return replace(message, ticket=token.key, ticket_text=(token.key or token.text.upper().replace(" ", "")))


# ---- (4) and (5): for people, and about a ticket -------------------------------------------------------------------


def _staff(fields: Fields, spoken: list[str]) -> Message | None:
    if fields.numbers:
        return None
    if words.EMERGENCIES & set(fields.free):
        return _with_ticket(Message("staff", reply="EMERGENCY"), fields)
    commanded = bool((words.STATUS | words.CANCEL) & set(spoken))
    asks = bool(fields.tickets) or _has(spoken, words.STATUS_PHRASES)
    dark = "mati" in spoken and words.SUPPLIES & set(spoken)
    if (fields.complaint or dark or words.COMPLAINTS & set(fields.free)) and not (commanded and asks):
        return _with_ticket(Message("staff", reply="COMPLAINT"), fields)
    return None


def _ticket(fields: Fields, spoken: list[str]) -> Message | None:
    if not fields.tickets or fields.numbers:
        return None
    command: Command = "CANCEL" if words.CANCEL & set(spoken) or _has(spoken, words.CANCEL_PHRASES) else "STATUS"
    return _with_ticket(Message("command", command=command), fields)


# ---- (6) and (7): a request ----------------------------------------------------------------------------------------


def _letter(fields: Fields, spoken: list[str], named: list[str], draft: Draft | None) -> Message:
    questions = words.QUESTIONS if fields.numbers else words.QUESTIONS | words.PLAIN_QUESTIONS
    if questions & set(fields.free):
        return Message("command", command="INFO", letter=named[0])
    if len(named) > 1:
        return Message("ask", letter=named[0], other_letter=named[1], reply="ONE_AT_A_TIME")
    claim = _claim(fields, named[0])
    if not claim.nik and not fields.numbers and (asked := _about_own(spoken, named[0])) is not None:
        return asked
    if draft is not None and draft.letter in ("", claim.letter):
        claim = _merge(claim, draft)
    return _judge(claim)


def _about_own(spoken: list[str], letter: str) -> Message | None:
    """A letter named without any number, in a question about its state: nothing new is filed."""
    if _has(spoken, words.STATUS_PHRASES) or words.STATUS & set(spoken):
        return Message("command", command="STATUS", letter=letter)
    if words.CANCEL & set(spoken) or _has(spoken, words.CANCEL_PHRASES):
        return Message("command", command="CANCEL", letter=letter, why="plain")
    return None


def _claim(fields: Fields, letter: str) -> Message:
    """Everything a request needs, as far as the message says it."""
    person = claims.person(fields, letter)
    typed = claims.typo_runs(fields)
    for run in fields.runs:
        run.tokens = [token for token in run.tokens if token.key not in typed]
    chosen = names.choose(fields)
    told = fields.letter_words.get(letter, "").lower()
    purpose = fields.purpose or names.after(fields, chosen)
    if not purpose and slots(letter):
        purpose = names.beside(fields, chosen)
    return Message(
        "request",
        letter=letter,
        nik=person.nik,
        kk=person.kk,
        kin=person.kin,
        name=names.written(chosen) if chosen is not None else "",
        rt=fields.rt,
        rw=fields.rw,
        purpose=purpose[: names.MOST_PURPOSE] or (told if told in telling(letter) else ""),
        flags=person.flags,
        digits=person.digits,
        reply={"length": "NIK_LENGTH", "form": "NIK_FORM", "": ""}[person.problem],
    )


def _judge(claim: Message) -> Message:
    """A request, or the first thing to ask for."""
    if not claim.letter:
        return replace(claim, kind="ask", reply="WHICH_LETTER")
    if not claim.nik and claim.reply:
        return replace(claim, kind="ask")
    if not claim.nik and not claim.kin:
        return replace(claim, kind="ask", reply="ASK_NIK")
    if not claim.name:
        return replace(claim, kind="ask", reply="ASK_NAME")
    return replace(claim, kind="request", reply="")


def _merge(claim: Message, draft: Draft) -> Message:
    """The claim with what it leaves open taken from the draft."""
    nik_known = claim.nik or claim.reply
    return replace(
        claim,
        letter=claim.letter or draft.letter,
        nik=claim.nik if nik_known else draft.nik,
        flags=claim.flags if nik_known else draft.flags,
        kk=claim.kk or draft.kk,
        name=claim.name or draft.name,
        rt=claim.rt or draft.rt,
        rw=claim.rw or draft.rw,
        purpose=claim.purpose or draft.purpose,
    )


def _continue(fields: Fields, draft: Draft) -> Message | None:
    """An answer to what the draft waits for: a number, or nothing but a name."""
    if fields.numbers:
        return _judge(_merge(_claim(fields, draft.letter), replace(draft, letter="")))
    name = names.all_name(fields)
    if not name or (draft.name and draft.nik):
        return None
    return _judge(_merge(Message("request", letter=draft.letter, name=name, rt=fields.rt, rw=fields.rw), draft))


# ---- (8) and (9): plain language, else help ------------------------------------------------------------------------


def _plain(spoken: list[str]) -> Message:
    said = set(spoken)
    if words.AID & said:
        return Message("staff", reply="TO_STAFF")
    if words.CANCEL & said or _has(spoken, words.CANCEL_PHRASES):
        return Message("command", command="CANCEL", why="plain")
    if words.STATUS & said or _has(spoken, words.STATUS_PHRASES):
        return Message("command", command="STATUS")
    return Message("command", command="HELP", why="unknown")


def _has(spoken: list[str], phrases: Collection[str]) -> bool:
    flat = f" {' '.join(spoken)} "
    return any(f" {phrase} " in flat for phrase in phrases)
