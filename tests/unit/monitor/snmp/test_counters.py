"""Totals that never go back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.monitor.snmp.counters import MOST_BYTES_S, Meter, RawPort
from edge.monitor.snmp.figures import Port

Step = tuple[float, int, bool, int]  # at, counter, restarted -> total


def _totals(steps: list[Step], *, wide: bool = True) -> tuple[list[int], Meter]:
    meter, totals = Meter(), []
    for at, counter, restarted, _ in steps:
        (port,) = meter.take((RawPort("lan1", True, 100, counter, 0, 0, wide),), restarted=restarted, now=at)
        totals.append(port.received_bytes)
    return totals, meter


def _wanted(steps: list[Step]) -> list[int]:
    return [total for *_, total in steps]


def test_growth_counts_from_the_first_poll() -> None:
    """What a device carried before the daemon started would look like traffic of one minute."""
    steps: list[Step] = [(0, 5_000, False, 0), (60, 6_000, False, 1_000), (120, 6_000, False, 1_000)]
    assert _totals(steps)[0] == _wanted(steps)


def test_a_restart_counts_what_came_since() -> None:
    """A device's reboot would lose its traffic, or count it twice."""
    steps: list[Step] = [(0, 5_000, False, 0), (60, 700, True, 700), (120, 900, False, 900)]
    assert _totals(steps)[0] == _wanted(steps)


def test_a_device_that_only_says_it_restarted_counts_nothing_twice() -> None:
    """An uptime that lies at every poll would add the whole counter each time."""
    steps: list[Step] = [(0, 5_000, False, 0), (60, 6_000, True, 1_000), (120, 7_000, True, 2_000)]
    assert _totals(steps)[0] == _wanted(steps)


def test_a_32_bit_counter_wraps() -> None:
    """A busy port of an old agent would lose four gigabytes at every wrap."""
    steps: list[Step] = [(0, 2**32 - 100, False, 0), (60, 50, False, 150)]
    assert _totals(steps, wide=False)[0] == _wanted(steps)


def test_a_64_bit_counter_that_goes_back_is_left_out() -> None:
    """A counter that falls would make the total leap or fall."""
    steps: list[Step] = [(0, 5_000, False, 0), (60, 4_000, False, 0), (120, 4_500, False, 500)]
    totals, _ = _totals(steps)
    assert totals == _wanted(steps)


def test_a_leap_is_left_out_and_told() -> None:
    """One absurd value would stand in the month's sum for ever."""
    steps: list[Step] = [(0, 0, False, 0), (1, int(MOST_BYTES_S) + 1, False, 0)]
    totals, meter = _totals(steps)
    assert totals == _wanted(steps)
    assert meter.flaws == {"ports: a counter leaps or goes back"}


def test_rates_and_errors_stand_beside_the_totals() -> None:
    """The table would show bytes where Mbit/s are meant."""
    meter = Meter()
    meter.take((RawPort("lan1", True, 100, 0, 0, 2),), restarted=False, now=0)
    (port,) = meter.take((RawPort("lan1", None, None, 1_250_000, 125_000, 5),), restarted=False, now=10)
    assert port == Port("lan1", None, None, 1_250_000, 125_000, 3, 1.0, 0.1)


def test_a_port_that_is_gone_is_forgotten() -> None:
    """Ports that come and go under new names would fill the memory; one that returns starts anew."""
    meter = Meter()
    for number in range(100):
        meter.take((RawPort(f"ppp{number}", received=number),), restarted=False, now=number)
    (port,) = meter.take((RawPort("ppp0", received=1_000),), restarted=False, now=100)
    assert port.received_bytes == 0
    assert port.received_mbit is None


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.booleans(), st.floats(0, 100)), max_size=20), st.booleans())
def test_totals_never_go_back(steps: list[tuple[int, bool, float]], wide: bool) -> None:
    """Some sequence of lies would make a Prometheus counter fall."""
    meter, at, before = Meter(), 0.0, 0
    for counter, restarted, elapsed in steps:
        at += elapsed
        (port,) = meter.take((RawPort("lan1", received=counter, wide=wide),), restarted=restarted, now=at)
        assert port.received_bytes - before <= MOST_BYTES_S * elapsed
        assert port.received_bytes >= before
        before = port.received_bytes
