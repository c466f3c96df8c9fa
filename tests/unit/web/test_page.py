"""The rendered page: escaped, masked, complete, and made at most once a second."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import get_args

import pytest

from edge.health import CONDITIONS, Raised
from edge.modem.status import ModemStatus
from edge.modem.status import State as ModemState
from edge.monitor.snmp.figures import DeviceFigures, Optic, Port, Reading, State
from edge.monitor.snmp.oids import ROLES
from edge.monitor.verdict import Cause
from edge.queue.store.mail import Figures
from edge.sms.standing import Standing
from edge.web import texts
from edge.web.overview import DeviceView, ModemView, Overview, RequestView, device_view, modem_view
from edge.web.page import ASSETS, Page, asset, worst, zone
from tests.unit.web.serving import NOW, TROUBLED, WELL, raised


def page_of(*shown: Overview) -> tuple[Page, list[Overview]]:
    """A page over these overviews, one after the other, and the list of those that it has not asked for yet."""
    left = list(shown)

    async def overview() -> Overview:
        return left.pop(0)

    return Page(overview, timezone="Asia/Jakarta"), left


def render(shown: Overview) -> str:
    return page_of(shown)[0].render(shown, now=NOW)


@pytest.mark.parametrize(
    ("codes", "mood"),
    [((), "well"), (("uplink-degraded",), "warning"), (("uplink-degraded", "modem-missing"), "error")],
)
def test_the_banner_shows_the_gravest(codes: tuple[str, ...], mood: str) -> None:
    """A green banner would stand over an error."""
    held = tuple(raised(code) for code in codes)
    assert worst(held) == mood
    assert f'class="banner {mood}"' in render(replace(WELL, health=held))


@pytest.mark.parametrize("code", sorted(CONDITIONS))
def test_every_condition_is_shown_with_its_remedy(code: str) -> None:
    """An officer would see that something is wrong but not what to do."""
    html = render(replace(WELL, health=(raised(code, "telkom"),)))
    assert CONDITIONS[code].title in html
    assert CONDITIONS[code].remedy in html
    assert ": Telkom" in html


def test_a_conditions_english_detail_stays_off_the_page() -> None:
    """The office would read an engineer's English."""
    held = Raised(CONDITIONS["network-apply"], "", "netlink: File exists", NOW)
    html = render(replace(WELL, health=(held,)))
    assert "netlink" not in html
    assert CONDITIONS["network-apply"].meaning not in html


def test_what_comes_from_outside_is_escaped() -> None:
    """A name or an operator's text with markup would run as a script in the office's browser."""
    nasty = '<script>alert("x")</script>'
    modem = replace(WELL.modems[0], operator=nasty, technology=nasty, state=nasty, expires=nasty)
    request = RequestView("K47-M2", nasty, "received", nasty, nasty, NOW)
    html = render(replace(WELL, village=nasty, modems=(modem,), requests=(request,)))
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;") >= 4


def test_a_request_that_was_refused_is_told_from_one_that_waits() -> None:
    """The counter says "on its way" of a letter that nobody will ever write."""
    waiting = RequestView("K47-M2", "SKTM", "received", "sms", "S•••", NOW)
    assert texts.STUCK not in render(replace(WELL, requests=(waiting,)))
    assert texts.STUCK in render(replace(WELL, requests=(replace(waiting, stuck=True),)))


def test_messages_for_people_that_nobody_has_read_are_counted() -> None:
    """A villager waits for an answer to a complaint of which nobody at the office knows."""
    assert texts.UNREAD not in render(WELL)
    assert f"<dt>{texts.UNREAD}</dt><dd>3</dd>" in render(replace(WELL, unread=3))


def test_devices_are_shown_only_where_there_are_some() -> None:
    """Most offices have none: an empty table would ask for what is not there."""
    assert f">{texts.DEVICES}<" not in render(WELL)
    views = (
        DeviceView("ont", "ont", "well", optical_dbm=-26.42, temperature_c=47.6, ports_down=("<b>lan1</b>",)),
        DeviceView("switch", "switch", "silent"),
    )
    html = render(replace(WELL, devices=views))
    assert "<strong>ONT</strong> ONT" in html
    assert "-26,4 dBm" in html
    assert "48 °C" in html
    assert "terputus: &lt;b&gt;lan1&lt;/b&gt;" in html
    assert ">Tidak menjawab<" in html


@pytest.mark.parametrize("state", get_args(State))
def test_every_state_and_role_of_a_device_has_its_words(state: State) -> None:
    """The office would read "belum diketahui" for a device that is off."""
    for role in ROLES:
        html = render(replace(WELL, devices=(DeviceView("alat", role, state),)))
        assert texts.DEVICE_STATE[state] in html
        assert texts.DEVICE_ROLE[role] in html


def test_a_devices_figures_become_its_view() -> None:
    """The page would show the brightest module, or cables nobody asked to watch."""
    reading = Reading(
        uptime_s=60.0,
        temperature_c=40.0,
        wifi_clients=4,
        ports=(Port("lan1", False, 100), Port("lan2", False, 100), Port("lan3", None, 100)),
        optics=(Optic("sfp1", -8.0), Optic("sfp2", -26.0)),
    )
    figures = DeviceFigures("ont", "ont", "well", 0.0, watched=("lan1", "lan3"), reading=reading)
    assert device_view(figures) == DeviceView("ont", "ont", "well", -26.0, 40.0, 4, ("lan1",), 60.0)
    assert device_view(replace(figures, reading=None, state="silent")) == DeviceView("ont", "ont", "silent")


@pytest.mark.parametrize("cause", sorted(get_args(Cause)))
def test_every_cause_is_explained(cause: str) -> None:
    """An uplink would be down without a word why."""
    shown = replace(WELL, uplinks=(replace(WELL.uplinks[0], level="down", cause=cause),))
    assert texts.CAUSE[cause] in render(shown)


@pytest.mark.parametrize("state", get_args(ModemState))
def test_every_state_of_the_modem_is_explained(state: str) -> None:
    """The office would not know whether SMS work or what they wait for."""
    html = render(replace(WELL, modems=(replace(WELL.modems[0], state=state),)))
    assert texts.MODEM_STATE[state] in html
    assert (texts.MODEM_STATE["ready"] in html) == (state == "ready")


@pytest.mark.parametrize("held", ["credit", "barred", "network", "modem", "budget"])
def test_why_a_ready_modem_sends_nothing_is_said(held: str) -> None:
    """The office would read "Siap" while every answer waits for credit."""
    html = render(replace(WELL, modems=(replace(WELL.modems[0], held=held),)))
    assert texts.MODEM_HELD[held] in html
    assert texts.MODEM_STATE["ready"] not in html


def test_the_money_and_what_went_wrong_are_shown_only_where_known() -> None:
    """The office would not top up in time, or read of a balance that nobody knows."""
    known = render(WELL)
    for words in ("TELKOMSEL (LTE)", texts.BALANCE, "Rp 25.000", texts.EXPIRES, "31 Des 2026"):
        assert words in known
    modem = ModemView("modem", "ready", waiting=4, uncertain=3, failed=2, paused=True)
    unknown = render(replace(WELL, modems=(modem,)))
    assert not [words for words in (texts.BALANCE, "Rp", texts.EXPIRES) if words in unknown]
    for words in (texts.SMS_PAUSED, f"{texts.SMS_UNCERTAIN}</dt><dd>3", f'{texts.SMS_FAILED}</dt><dd class="bad">2'):
        assert words in unknown


def test_two_modems_are_told_apart_by_name() -> None:
    """With two SIMs the office would top up the wrong one."""
    html = render(replace(WELL, modems=(WELL.modems[0], replace(WELL.modems[0], name="cadangan", state="sim"))))
    assert "<h3>Cadangan</h3>" in html
    assert "<h3>Modem</h3>" not in render(WELL)


def test_a_modems_standing_becomes_its_view() -> None:
    """The page would show another figure than the command."""
    standing = Standing(
        name="modem",
        status=ModemStatus("ready", "XL", 40, technology="2G", held="credit", balance_rp=0, expires="2026-12-01"),
        figures=Figures(waiting={"reply": 1, "digest": 2}, uncertain=4, failed=5),
        hour_limit=60,
        day_limit=300,
        raised=(raised("sms-paused", "modem"),),
    )
    assert modem_view(standing) == ModemView("modem", "ready", "XL", "2G", 40, 3, 4, 5, "credit", True, 0, "2026-12-01")


def test_unknown_values_do_not_break_the_page() -> None:
    """A state or a cause of a newer version would blank the whole page."""
    shown = replace(
        WELL,
        uplinks=(replace(WELL.uplinks[0], cause="meteor"),),
        modems=(replace(WELL.modems[0], held="meteor"),),
        requests=(RequestView("K47-M2", "PASPOR", "orbiting", "pigeon", "S•••", NOW),),
    )
    html = render(shown)
    assert "meteor" not in html
    assert html.count(texts.UNKNOWN) == 4
    assert "PASPOR" in html


def test_parts_left_out_are_said() -> None:
    """A village without a modem or portal would see an error or an empty box."""
    html = render(Overview(village="Tamanbaru", kind="kelurahan", version="9"))
    for words in ("Kelurahan Tamanbaru", texts.NO_MODEM, texts.NO_PORTAL, texts.NO_REQUESTS, texts.NO_UPLINKS):
        assert words in html


def test_times_are_the_villages_own() -> None:
    """The office would read UTC and wonder about seven hours."""
    html = render(replace(WELL, requests=(RequestView("K47-M2", "SKTM", "received", "sms", "S•••", 1_795_000_000),)))
    assert "18 Nov 18.06" in html


def test_trouble_is_put_in_words() -> None:
    """The office would not see what is cut, what waits and what was refused."""
    html = render(TROUBLED)
    for words in ("Putus", "Lambat", texts.NO_UPLINK_LEFT, texts.MODEM_STATE["missing"], "2 jam 5 menit", texts.NEVER):
        assert words in html
    assert texts.PORTAL_WELL not in html


async def test_many_browsers_ask_for_one_overview() -> None:
    """Thirty open pages would make thirty reads of the store every five seconds."""
    page, left = page_of(WELL, TROUBLED)
    pages = await asyncio.gather(*(page.html() for _ in range(30)))
    assert set(pages) == {pages[0]}
    assert left == [TROUBLED]


def test_an_unknown_time_zone_is_a_clear_mistake() -> None:
    """The daemon would start with times seven hours off."""
    for name in ("Asia/Nowhere", "../etc/passwd", ""):
        with pytest.raises(ValueError, match=r"village\.timezone.*Asia/Jakarta"):
            zone(name)


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_nothing_is_loaded_from_elsewhere(name: str) -> None:
    """The page would need the internet just when that is down."""
    text = asset(name).decode()
    assert text
    assert "//" not in text.replace("http://www.w3.org/2000/svg", "").replace("// ", "")
    assert "//" not in render(WELL)
