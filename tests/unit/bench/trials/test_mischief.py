"""The soak's choice of faults."""

import random

from bench.trials.mischief import MEDDLING, ON_A_LINE, Mischief


def test_everything_happens_before_anything_happens_twice() -> None:
    """A fault that the seed never draws would count as survived."""
    mischief = Mischief(random.Random(1))
    first = [mischief.next()[0] for _ in range(2 * len(ON_A_LINE) + len(MEDDLING))]
    assert len(set(first)) == len(first)
    assert {mischief.next()[0] for _ in first} == set(first)


def test_a_seed_repeats_its_order() -> None:
    """A soak that failed could not be run again."""
    once, again = (Mischief(random.Random(7)) for _ in range(2))
    assert [once.next()[0] for _ in range(50)] == [again.next()[0] for _ in range(50)]
