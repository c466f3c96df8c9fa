"""The history through restarts, power cuts, wrong clocks and a store that refuses; clocks turned by hand."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.events import ClassMoved, Level, ProbeAnswered
from edge.monitor import history_rows as rows
from edge.monitor.history_writer import MINUTES_HELD
from tests.unit.monitor.history_box import NOON, Box, judged

YEAR = 365 * 86_400.0
LEVELS: tuple[Level, ...] = ("up", "degraded", "down")


async def test_minutes_hold_what_was_measured() -> None:
    """The report would show other figures than the uplink had."""
    box = Box(in_hours=lambda wall: wall < NOON + 60)
    box.history.observe(judged("up"))
    for _ in range(4):
        box.history.observe(ProbeAnswered("telkom", "9.9.9.9", 20.0))
    box.history.observe(ProbeAnswered("telkom", "9.9.9.9", None))
    box.history.observe(ProbeAnswered("telkom", "gateway", None))
    box.history.observe(ProbeAnswered("elsewhere", "9.9.9.9", None))
    box.history.carried("telkom", 1_000, 500, 1.0)
    await box.minutes(2)
    assert box.rows() == [(NOON, "telkom", 0, 60_000, 0, 0), (NOON + 60, "telkom", 0, 60_000, 0, 0)]
    found = box.store.connection.execute(
        "SELECT service_up_ms, probes, lost, received_bytes, sent_bytes FROM rollup ORDER BY start"
    ).fetchall()
    assert found == [(60_000, 5, 1, 1_000, 500), (0, 0, 0, 0, 0)]


async def test_all_uplinks_share_one_transaction() -> None:
    """Every uplink would cost the flash a commit of its own."""
    box = Box(uplinks=("pde", "telkom"))
    box.history.observe(judged("up", uplink="pde"))
    box.history.observe(judged("up", uplink="telkom"))
    await box.minutes(1)
    before = box.store.works
    for _ in range(2):
        box.clock.pass_time(60)
        box.history.turn()
    await box.history.flush()
    assert box.store.works == before + 1
    assert len(box.rows()) == 6


async def test_targets_set_aside_do_not_count() -> None:
    """A target that limits its answers would be told as the provider's loss."""
    box = Box(faulty=lambda uplink: frozenset({"9.9.9.9"}) if uplink == "telkom" else frozenset())
    box.history.observe(ProbeAnswered("telkom", "9.9.9.9", None))
    box.history.observe(ProbeAnswered("telkom", "1.1.1.1", 20.0))
    await box.minutes(1)
    assert box.store.connection.execute("SELECT probes, lost FROM rollup").fetchall() == [(1, 0)]


async def test_an_outage_is_durable_as_it_happens() -> None:
    """A power cut would take the outage with it that may have caused it."""
    box = Box()
    box.history.observe(judged("up"))
    box.clock.pass_time(20)
    box.history.observe(judged("down", "gateway"))
    await box.history.flush()
    assert box.outages() == [("telkom", "down", "gateway", NOON + 20, None, "")]
    box.clock.pass_time(100)
    box.history.observe(judged("up"))
    await box.history.flush()
    assert box.outages() == [("telkom", "down", "gateway", NOON + 20, NOON + 120, "recovered")]


async def test_a_power_cut_in_an_outage_ends_it_when_it_was_last_seen() -> None:
    """The hours the box was off would be charged to the provider."""
    box = Box()
    box.history.observe(judged("down", "gateway"))
    await box.minutes(5)
    box.clock.pass_time(7 * 3_600)
    box.start()
    await box.history.flush()
    assert box.outages() == [("telkom", "down", "gateway", NOON, NOON + 300, "box-off")]
    assert box.accounted_s() == 300


async def test_an_outage_goes_on_over_a_short_restart() -> None:
    """A reload in an outage would make two of it."""
    box = Box()
    box.history.observe(judged("down", "gateway"))
    await box.minutes(5)
    box.clock.pass_time(4)
    box.start()
    box.history.observe(judged("down", "starting"))
    await box.history.flush()
    box.clock.pass_time(3)
    box.history.observe(judged("down", "gateway"))
    await box.history.flush()
    box.clock.pass_time(60)
    box.history.observe(judged("up"))
    await box.history.flush()
    assert box.outages() == [("telkom", "down", "gateway", NOON, NOON + 367, "recovered")]


async def test_an_outage_that_ended_in_a_short_restart_is_over() -> None:
    """It would last for ever."""
    box = Box()
    box.history.observe(judged("down", "gateway"))
    await box.minutes(1)
    box.clock.pass_time(4)
    box.start()
    box.history.observe(judged("up"))
    await box.history.flush()
    assert box.outages() == [("telkom", "down", "gateway", NOON, NOON + 60, "box-off")]


async def test_an_outage_left_open_by_an_uplink_that_is_gone_is_over() -> None:
    """It would last for ever, too."""
    box = Box(uplinks=("pde", "telkom"))
    box.history.observe(judged("down", "gateway", uplink="pde"))
    await box.minutes(1)
    box.uplinks = ("telkom",)
    box.start()
    await box.history.flush()
    assert box.outages()[0][5] == "box-off"


async def test_a_refused_write_loses_and_doubles_nothing() -> None:
    """A full disk would cost the history of its hours, or count them twice."""
    box = Box()
    box.history.observe(judged("up"))
    await box.minutes(2)
    box.store.refusing = True
    box.history.observe(judged("down", "gateway"))
    await box.minutes(10)
    box.history.observe(judged("up"))
    box.store.refusing = False
    await box.minutes(1)
    assert box.accounted_s() == 13 * 60
    assert box.outages() == [("telkom", "down", "gateway", NOON + 120, NOON + 720, "recovered")]
    assert [each["verdict"] for each in await box.history.recent(9)] == ["up", "down", "up"]


async def test_a_left_outage_is_closed_though_the_store_refused_at_first() -> None:
    """An outage of before the power cut would stay open because the disk was full at the start."""
    box = Box()
    box.history.observe(judged("down", "gateway"))
    await box.minutes(2)
    box.clock.pass_time(86_400)
    box.start()
    box.store.refusing = True
    await box.minutes(1)
    box.store.refusing = False
    await box.minutes(1)
    assert box.outages() == [("telkom", "down", "gateway", NOON, NOON + 120, "box-off")]


async def test_minutes_wait_for_a_clock_that_is_trusted() -> None:
    """Minutes after a power cut would be written into the year 1970, or lost."""
    box = Box()
    box.clock.sure, box.clock.unix = False, 5.0
    box.history.observe(judged("up"))
    await box.minutes(60)
    box.history.observe(judged("down", "carrier"))
    await box.minutes(2)
    assert box.rows() == []
    box.clock.unix, box.clock.sure = NOON + 62 * 60.0, True
    await box.minutes(1)
    assert len(box.rows()) == 63
    assert box.rows()[0] == (NOON, "telkom", 1, 60_000, 0, 0)
    assert box.rows()[-1] == (NOON + 62 * 60, "telkom", 0, 0, 0, 60_000)
    assert box.outages() == [("telkom", "down", "carrier", NOON + 3_600, None, "")]
    assert [each["at"] for each in await box.history.recent(2)] == [NOON, NOON + 3_600]


async def test_waiting_is_bounded() -> None:
    """A box whose clock is never set would run out of memory."""
    box = Box()
    box.clock.sure = False
    box.history.observe(judged("up"))
    for count in range(3_000):
        box.history.observe(judged("down" if count % 2 else "degraded", "lossy"))
        await box.minutes(1)
    box.clock.sure = True
    await box.history.flush()
    assert len(box.rows()) == MINUTES_HELD
    assert len(box.outages()) == 1_001
    assert len(await box.history.recent(5_000)) == 1_000


async def test_a_clock_set_back_adds_to_the_minutes_that_are_there() -> None:
    """The second 12.00 of a day would overwrite the first."""
    box = Box()
    box.history.observe(judged("up"))
    await box.minutes(90)
    box.clock.unix -= 5_400
    box.history.observe(judged("degraded", "lossy"))
    box.history.turn()
    await box.minutes(150)
    assert box.accounted_s() == 240 * 60
    hours = {start: (up, degraded) for start, _, _, up, degraded, _ in box.rows("hour")}
    assert hours[NOON] == (3_600_000, 3_600_000)


async def test_a_clock_set_forward_leaves_a_gap() -> None:
    """Hours that never were would be told as an outage."""
    box = Box()
    box.history.observe(judged("up"))
    await box.minutes(3)
    box.clock.unix += YEAR
    box.history.turn()
    await box.minutes(3)
    assert box.accounted_s() == 360
    assert [start for start, *_ in box.rows()][-1] >= NOON + YEAR
    assert box.outages() == []


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("pass"), st.floats(0, 4_000)),
            st.tuples(st.just("jump"), st.floats(-4 * YEAR, 4 * YEAR)),
            st.tuples(st.just("trust"), st.booleans()),
            st.tuples(st.just("refuse"), st.booleans()),
            st.tuples(st.just("judged"), st.integers(0, 2)),
            st.tuples(st.just("restart"), st.just(0)),
            st.tuples(st.just("turn"), st.just(0)),
            st.tuples(st.just("close"), st.just(0)),
        ),
        max_size=60,
    )
)
def test_no_second_is_counted_twice(steps: list[tuple[str, float]]) -> None:
    """The provider would be charged with seconds that never were."""

    async def play() -> None:
        box = Box()
        began = box.clock.now
        for what, value in steps:
            if what == "pass":
                box.clock.pass_time(value)
            elif what == "jump":
                box.clock.unix = max(0.0, box.clock.unix + value)
            elif what == "trust":
                box.clock.sure = bool(value)
            elif what == "refuse":
                box.store.refusing = bool(value)
            elif what == "judged":
                box.history.observe(judged(LEVELS[int(value)], "lossy"))
            elif what == "restart":
                box.start()
            elif what == "close":
                await box.history.close()
            else:
                box.history.turn()
                await box.history.flush()
            elapsed = box.clock.now - began
            assert box.accounted_s() <= elapsed + 1e-6
            lasted = sum((ended or began) - began for _, _, _, began, ended, _ in box.outages())
            assert lasted <= elapsed + 1e-6

    asyncio.run(play())


async def test_decisions_survive_a_restart() -> None:
    """`uplink why` would know nothing after a power cut."""
    box = Box()
    box.history.observe(judged("down", "gateway"))
    box.history.observe(ClassMoved("service", "telkom", "pde", "telkom is down", ("silent for 2.6 s",) * 50))
    await box.history.flush()
    box.start()
    box.history.observe(judged("up"))
    first, second, third = await box.history.recent(3)
    assert (first["event"], first["uplink"], first["cause"], first["at"]) == ("verdict", "telkom", "gateway", NOON)
    assert (second["event"], second["class"], second["from"], second["to"]) == ("switch", "service", "telkom", "pde")
    assert second["because"] == "telkom is down"
    assert len(second["evidence"]) == 12
    assert third["verdict"] == "up"
    assert await box.history.recent(1) == [third]


async def test_choices_by_hand_are_kept_with_who_made_them() -> None:
    """The report could not say why a line carried nothing for two hours."""
    box = Box()
    box.history.chosen(("service", "control"), "telkom", 7_200.0, "siti")
    await box.history.flush()
    box.start()
    (choice,) = await box.history.recent(9)
    kept = {"event": "choice", "classes": ["service", "control"], "uplink": "telkom", "for_s": 7_200.0, "by": "siti"}
    assert choice == {"at": NOON} | kept
    assert rows.choices(box.store.connection, NOON + 1) == [choice]


async def test_close_writes_the_minute_that_is_not_over() -> None:
    """Every reload would lose up to two minutes."""
    box = Box()
    box.history.observe(judged("up"))
    box.clock.pass_time(42)
    await box.history.close()
    assert box.accounted_s() == 42


async def test_a_cancelled_write_is_not_repeated() -> None:
    """A stop in the middle of a write would count its minutes twice."""
    box = Box()
    box.store.gate = asyncio.Event()
    box.history.observe(judged("up"))
    box.clock.pass_time(60)
    box.history.turn()
    running = asyncio.create_task(box.history.run())
    await box.store.waiting.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    box.store.gate.set()
    await box.history.close()
    assert box.accounted_s() == 60


async def test_run_writes_an_outage_at_once() -> None:
    """It would wait for the minute's end, and be lost in a power cut before it."""
    box = Box()
    box.store.gate = asyncio.Event()
    running = asyncio.create_task(box.history.run())
    box.history.observe(judged("down", "gateway"))
    async with asyncio.timeout(60):
        await box.store.waiting.wait()
    box.store.gate.set()
    await box.history.close()
    assert [outage[1:3] for outage in box.outages()] == [("down", "gateway")]
    running.cancel()
