"""What a person at the office sees, in a real browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.web import texts
from edge.web.overview import Overview, RequestView
from tests.page.browser import Tab, chromium
from tests.unit.web.serving import NOW, TROUBLED, WELL, raised, running

OVERFLOWING = (
    "[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 0.5)"
    ".map(e => e.tagName + ' ' + e.textContent.trim().slice(0, 40))"
)


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Tab]:
    async with chromium(tmp_path / "profile") as opened:
        yield opened


async def test_a_well_village_is_green_and_said_in_words(tab: Tab) -> None:
    """The officer would not see at a glance that all is well, or would read codes and English."""
    async with running(shown=WELL) as server:
        await tab.open(server.url + "/", width=1200)
        seen = await tab.text()
        for words in (
            "Desa Sumberberas",
            "Semua layanan berjalan baik",
            "Jalur internet",
            "PDE",
            "Telkom",
            "Baik",
            "Layanan kantor",
            "WiFi publik",
            "Siap menerima dan mengirim SMS",
            "TELKOMSEL",
            "71%",
            "Semua sudah terkirim",
            "Persetujuan camat",
            "Ket Kurang Mampu",
            "Loket",
        ):
            assert words in seen
        for code in ("head_approval", "SKTM", "degraded", "None", "desk", "service", "{{"):
            assert code not in seen
        green = await tab.value("getComputedStyle(document.querySelector('.banner')).backgroundColor")
        assert green == "rgb(220, 252, 231)"
        assert tab.errors == []


async def test_trouble_comes_first_with_its_remedy(tab: Tab) -> None:
    """The officer would have to look for what is wrong and what to do."""
    async with running(shown=TROUBLED) as server:
        await tab.open(server.url + "/", width=1200)
        seen = await tab.text()
        assert texts.TROUBLE in seen
        for held in TROUBLED.health:
            assert held.condition.title in seen
            assert held.condition.remedy in seen
            assert seen.index(held.condition.remedy) < seen.index(texts.USED_BY)
        for words in ("Putus", "Lambat", "Tidak ada jalur yang bisa dipakai", "Modem tidak terhubung"):
            assert words in seen
        assert await tab.value("document.querySelector('.conditions').getBoundingClientRect().top < innerHeight")


async def test_names_are_masked_and_markup_is_text(tab: Tab) -> None:
    """A passer-by would read who asked for what, or a name would run as a script."""
    nasty = "<img src=x onerror=document.title=1>"
    shown = replace(WELL, requests=(RequestView("K47-M2", "SKTM", "received", "sms", "S••• A•••", NOW),), village=nasty)
    async with running(shown=shown) as server:
        await tab.open(server.url + "/", width=1200)
        seen = await tab.text()
        assert "S••• A•••" in seen
        assert texts.MASKED in seen
        assert nasty in seen
        assert await tab.value("document.images.length") == 0
        assert await tab.value("document.title") == f"{texts.TITLE} – Desa {nasty}"


@pytest.mark.parametrize("width", [320, 360, 768, 1200])
@pytest.mark.parametrize("shown", [WELL, TROUBLED], ids=["well", "troubled"])
async def test_nothing_sticks_out_sideways(tab: Tab, width: int, shown: Overview) -> None:
    """On an officer's phone the page would have to be pushed from side to side."""
    long = "Surat" * 12
    wide = replace(shown, requests=(*shown.requests, RequestView("K47-M2", long, "head_approval", "sms", long, NOW)))
    async with running(shown=wide) as server:
        await tab.open(server.url + "/", width=width)
        assert await tab.value("innerWidth") == width
        assert await tab.value(OVERFLOWING) == []
        assert await tab.value("document.documentElement.scrollWidth <= innerWidth")


async def test_the_page_follows_by_itself_and_keeps_its_place(tab: Tab) -> None:
    """The officer would look at a picture of an hour ago, or be thrown to the top every five seconds."""
    async with running(shown=WELL) as server:
        await tab.open(server.url + "/", width=360)
        await tab.value("scrollTo(0, 200)")
        server.shown = replace(WELL, health=(raised("modem-missing"),))
        await tab.until("document.body.innerText.includes('Modem SMS tidak terhubung')")
        assert await tab.value("scrollY") == 200
        assert tab.errors == []


async def test_a_box_that_is_gone_is_said(tab: Tab) -> None:
    """The officer would trust a page that no one updates any more, and not see that the box came back."""
    async with running(shown=WELL) as server:
        port = server.url.rpartition(":")[2]
        await tab.open(server.url + "/", width=360)
        assert texts.LOST_CONTACT not in await tab.text()
    await tab.until(f"document.body.innerText.includes({texts.LOST_CONTACT!r})")
    assert "Semua layanan berjalan baik" in await tab.text()
    async with running(shown=WELL, listen=(f"127.0.0.1:{port}",)):
        await tab.until(f"!document.body.innerText.includes({texts.LOST_CONTACT!r})")


async def test_the_page_lives_from_the_box_alone(tab: Tab) -> None:
    """Without internet the page would come without its style, or tell a stranger that it was opened."""
    async with running(shown=TROUBLED) as server:
        await tab.open(server.url + "/", width=1200)
        loaded = await tab.value("performance.getEntriesByType('resource').map(e => e.name)")
        assert {name.removeprefix(server.url) for name in loaded} >= {"/static/page.css", "/static/page.js"}
        assert [name for name in loaded if not name.startswith(server.url)] == []


async def test_a_foreign_script_is_refused(tab: Tab) -> None:
    """A hole in the escaping would be enough to run a script in the office's browser."""
    async with running(shown=WELL) as server:
        await tab.open(server.url + "/", width=1200)
        await tab.value(
            "document.body.append(Object.assign(document.createElement('script'), {textContent: 'document.title = 1'}))"
        )
        assert await tab.value("document.title") != "1"
        await tab.until("true")
        assert any("Content Security Policy" in error for error in tab.errors)
