"""The soak's account of switches: only a switch that the log explains, from what it told before, is explained."""

import pytest

from bench.trials.traces import switches

DOWN = "04:05:32 I edge: uplink pde is down (no-reply): loss 100%, no reply"
UP = "04:05:27 I edge: uplink telkom is up: loss 0%, 0 ms"
LEFT = "04:05:32 I edge: service: pde -> telkom: pde is down (no-reply); telkom is up"
BACK = "04:05:52 I edge: service: pde -> telkom: back to telkom: well for 2 s"
START = "04:05:27 I edge: service: no uplink -> pde: pde is not judged yet"


@pytest.mark.parametrize(
    ("log", "count", "unexplained"),
    [
        ([START], 0, 0),
        ([UP, DOWN, LEFT], 1, 0),
        ([LEFT], 1, 1),
        ([UP, DOWN.replace("no-reply", "lossy"), LEFT], 1, 1),
        ([UP, DOWN, LEFT.replace("pde is down", "telkom is down")], 1, 1),
        ([UP, BACK], 1, 0),
        ([BACK], 1, 1),
        ([UP, DOWN, LEFT.partition(": pde is")[0] + ": "], 1, 1),
    ],
)
def test_a_switch_rests_on_the_verdict_told_before(log: list[str], count: int, unexplained: int) -> None:
    """A switch that nobody can explain would pass for one that is."""
    found, lines = switches(log)
    assert (found, len(lines)) == (count, unexplained)
