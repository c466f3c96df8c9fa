"""Roll-ups: percentiles from buckets, sums that merge, and the minute of one uplink."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.events import Level
from edge.monitor import rollup
from edge.monitor.rollup import Figures, Ledger

RTTS = st.floats(min_value=0.01, max_value=16_000)
COUNTS = st.dictionaries(st.integers(0, 113), st.integers(1, 10**9))
AMOUNTS = st.integers(0, 10**12)
FIGURES = st.builds(Figures, *[AMOUNTS] * 15, latency=COUNTS)


def counts(rtts: list[float]) -> dict[int, int]:
    found: dict[int, int] = {}
    for rtt in rtts:
        found[rollup.bucket(rtt)] = found.get(rollup.bucket(rtt), 0) + 1
    return found


@given(st.lists(RTTS.filter(lambda rtt: rtt >= 1), min_size=1, max_size=300), st.sampled_from([0.5, 0.95, 0.99, 1]))
def test_percentiles_are_within_nine_percent(rtts: list[float], share: float) -> None:
    """A report would tell the provider a latency that was never measured."""
    exact = sorted(rtts)[math.ceil(share * len(rtts)) - 1]
    read = rollup.percentile(counts(rtts), share)
    assert read is not None
    assert exact / 1.0906 <= read <= exact * 1.0906


@pytest.mark.parametrize(
    ("rtt", "place"),
    [(0.0, 0), (0.99, 0), (1.0, 1), (1.08, 1), (1.1, 2), (2.0, 9), (1_024.0, 81), (16_383.0, 112), (16_384.0, 113)],
)
def test_buckets_are_where_they_were(rtt: float, place: int) -> None:
    """Kept counts would mean other round trips after an update."""
    assert rollup.bucket(rtt) == place


def test_a_round_trip_beyond_every_bucket_is_the_slowest() -> None:
    """A reply after minutes would raise, or not count."""
    assert rollup.bucket(1e9) == 113
    assert rollup.percentile({}, 0.5) is None


@given(COUNTS)
def test_counts_survive_packing(found: dict[int, int]) -> None:
    """What is written would not be what is read."""
    assert rollup.unpack(rollup.pack(found)) == found


@given(st.binary(max_size=200))
def test_rubbish_unpacks_to_something(packed: bytes) -> None:
    """A damaged row would keep every later one from being added up."""
    found = rollup.unpack(packed)
    assert all(0 <= place <= 113 and count >= 0 for place, count in found.items())


@given(st.lists(FIGURES, max_size=6))
def test_the_order_of_adding_does_not_matter(spans: list[Figures]) -> None:
    """A month made of hours would differ from the same month made of minutes."""
    middle = len(spans) // 2
    parts = rollup.total([rollup.total(spans[middle:]), rollup.total(spans[:middle])])
    assert parts == rollup.total(spans)


@given(FIGURES)
def test_figures_survive_their_row(figures: Figures) -> None:
    """A column would be read as another."""
    values = figures.values()
    assert len(values) == len(rollup.COLUMNS)
    assert Figures.load(values) == figures


def test_a_minute_counts_levels_by_the_clock() -> None:
    """Availability would be counted by verdicts, not by time."""
    ledger = Ledger(now=0)
    steps: tuple[tuple[float, Level | None], ...] = (
        (5, "up"),
        (20, "down"),
        (22.5, "degraded"),
        (32.5, None),
        (40, "up"),
    )
    for now, level in steps:
        ledger.judged(level, now=now)
    figures = ledger.close(now=60)
    assert (figures.up_ms, figures.down_ms, figures.degraded_ms) == (35_000, 2_500, 10_000)
    assert figures.measured_ms == 47_500
    assert ledger.close(now=120).up_ms == 60_000


def test_a_late_answer_takes_its_loss_back() -> None:
    """A slow link would look lossy."""
    ledger = Ledger(now=0)
    for rtt in (10.0, None, 14.0):
        ledger.probed("9.9.9.9", rtt)
    ledger.probed("9.9.9.9", 1_500.0, late=True)
    figures = ledger.close(now=60)
    assert (figures.probes, figures.lost, figures.loss) == (3, 0, 0.0)
    assert sum(figures.latency.values()) == 3


def test_jitter_is_of_one_target_at_a_time() -> None:
    """A near and a far target would look like jitter."""
    ledger = Ledger(now=0)
    for target, rtt in (("a", 10.0), ("b", 90.0), ("a", 12.0), ("b", 86.0)):
        ledger.probed(target, rtt)
    assert ledger.close(now=60).jitter_ms == pytest.approx(3.0)
    assert Figures().jitter_ms is None
    assert Figures().loss is None


def test_peaks_are_of_ten_seconds_and_counters_that_went_back_say_nothing() -> None:
    """One burst from a switch's buffer would be told as the rate, or a new device as a negative one."""
    ledger = Ledger(now=0)
    for second in range(30):
        ledger.carried(1_250_000 if second < 10 else 125_000, 12_500, 1.0)
    ledger.carried(-5, 10, 1.0)
    ledger.carried(5, 10, 0.0)
    figures = ledger.close(now=60)
    assert (figures.peak_received_kbit, figures.peak_sent_kbit) == (10_000, 100)
    assert (figures.received_bytes, figures.sent_bytes, figures.metered_ms) == (15_000_000, 375_000, 30_000)


@pytest.mark.parametrize(
    ("target", "wanted"),
    [("9.9.9.9", True), ("tcp://1.2.3.4:443", True), ("gateway", False), ("dns:10.0.0.1", False), ("http", False)],
)
def test_only_the_way_through_the_provider_counts(target: str, wanted: bool) -> None:
    """The box's own router would make every provider look fast."""
    assert rollup.counted(target) is wanted


@pytest.mark.parametrize(
    ("level", "cause", "wanted"),
    [
        ("up", "", "up"),
        ("up", "target-fault", "up"),
        ("down", "carrier", "down"),
        ("degraded", "slow", "degraded"),
        ("down", "starting", None),
        ("down", "no-device", None),
        ("degraded", "no-privilege", None),
    ],
)
def test_what_the_box_could_not_see_is_no_outage(level: Level, cause: str, wanted: str | None) -> None:
    """The provider would be blamed for a box without its network card."""
    assert rollup.measured(level, cause) == wanted
