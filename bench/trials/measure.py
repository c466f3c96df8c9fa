"""Pure: what the clients saw of one trial, in seconds. Times are of one monotonic clock."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SLOW_S = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One request: when it began, when it was answered (None: not), and what the answer said."""

    begun: float
    ended: float | None
    said: str


def longest_gap(seen: Iterable[Seen], *, since: float, until: float) -> float:
    """The longest time without an answer that overlaps `since` to `until`."""
    ends = sorted(each.ended for each in seen if each.ended is not None and each.ended <= until)
    before = max((end for end in ends if end <= since), default=since)
    marks = [before, *(end for end in ends if end > since), until]
    return max(later - earlier for earlier, later in itertools.pairwise(marks))


def first_answer(seen: Iterable[Seen], said: Iterable[str], *, after: float) -> float | None:
    """When the first answer after `after` came that said one of `said`."""
    wanted = set(said)
    ends = (each.ended for each in seen if each.ended is not None and each.ended > after and each.said in wanted)
    return min(ends, default=None)


def suffered(seen: Iterable[Seen], *, since: float, until: float) -> float:
    """Seconds from `since` until the last request that began in time and failed or took more than `SLOW_S` ended so."""
    bad = (
        min(each.begun + SLOW_S, until)
        for each in seen
        if since <= each.begun <= until and (each.ended is None or each.ended - each.begun > SLOW_S)
    )
    return max((end - since for end in bad), default=0.0)


def steady(seen: Sequence[Seen], said: str, *, since: float, until: float, least: int) -> bool:
    """Whether from `since` to `until` at least `least` requests ended and every one was answered with `said`."""
    ended = [each for each in seen if each.begun >= since and (each.ended or each.begun) <= until]
    return len(ended) >= least and all(each.ended is not None and each.said == said for each in ended)


def lost(train: Iterable[Seen], *, since: float, until: float) -> tuple[int, int]:
    """How many of the datagrams sent from `since` to `until` had no echo, and how many were sent."""
    sent = [each for each in train if since <= each.begun <= until]
    return sum(each.ended is None for each in sent), len(sent)


def quantile(values: Sequence[float], share: float) -> float:
    """The nearest-rank quantile: the least value that `share` of all do not exceed. Raises ValueError for none."""
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
