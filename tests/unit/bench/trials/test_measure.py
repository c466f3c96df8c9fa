"""What the clients saw becomes figures: each from a few requests whose figures are plain to see."""

import pytest

from bench.trials.measure import Seen, first_answer, longest_gap, lost, quantile, steady, suffered


def pace(first: int, last: int, said: str = "pde", took: float = 0.01) -> list[Seen]:
    """Answered requests at every tenth of a second from `first` to `last` tenths."""
    return [Seen(tenth / 10, tenth / 10 + took, said) for tenth in range(first, last + 1)]


def test_the_gap_lies_between_two_answers() -> None:
    """Unanswered requests would hide how long nobody was served."""
    seen = [*pace(0, 20), Seen(2.1, None, ""), *pace(50, 60, "telkom")]
    assert longest_gap(seen, since=2.05, until=6) == pytest.approx(3.0)


def test_an_answer_that_comes_late_counts_when_it_comes() -> None:
    """A request that hangs through the whole outage would count as service."""
    seen = [*pace(0, 20), Seen(2.1, 4.6, "telkom"), *pace(47, 60, "telkom")]
    assert longest_gap(seen, since=2.05, until=6) == pytest.approx(4.6 - 2.01)


def test_a_gap_without_end_lasts_to_the_end() -> None:
    """A contender that never recovers would look as if nothing had happened."""
    assert longest_gap(pace(0, 20), since=2.05, until=22) == pytest.approx(22 - 2.01)
    assert longest_gap([], since=2, until=22) == 20


def test_an_earlier_gap_is_not_of_this_trial() -> None:
    """The gap of one trial would be told again for the next."""
    assert longest_gap([*pace(0, 10), *pace(50, 100)], since=8, until=10) == pytest.approx(0.1)


def test_the_first_answer_by_a_line_is_found() -> None:
    """The old line's last answers would pass for the switch."""
    seen = [Seen(1.0, 1.9, "pde"), Seen(1.2, 2.3, "telkom"), Seen(1.4, 2.1, "telkom")]
    assert first_answer(seen, {"telkom"}, after=1.5) == 2.1
    assert first_answer(seen, {"telkom"}, after=2.2) == 2.3
    assert first_answer(seen, {"telkom"}, after=2.3) is None


def test_slow_and_failed_requests_are_suffered() -> None:
    """A lossy line that answers something now and then would look like service."""
    seen = [Seen(1.0, 1.1, "pde"), Seen(2.0, 4.5, "pde"), Seen(3.0, 3.9, "pde"), Seen(3.5, None, "")]
    assert suffered(seen, since=1, until=10) == pytest.approx(3.5)
    assert suffered(seen[:1], since=1, until=10) == 0
    assert suffered(seen, since=1, until=3) == pytest.approx(2.0), "not longer than the trial"


def test_only_a_flawless_time_is_steady() -> None:
    """A trial would begin while the one before still shows."""
    assert steady(pace(0, 30), "pde", since=1, until=3, least=19)
    assert not steady([*pace(0, 30), Seen(1.5, None, "")], "pde", since=1, until=3, least=19)
    assert not steady(pace(0, 30, "telkom"), "pde", since=1, until=3, least=19)
    assert not steady(pace(0, 12), "pde", since=1, until=3, least=19), "too few ended"


def test_lost_datagrams_are_counted_by_when_they_were_sent() -> None:
    """A loss of another time would be blamed on the switch, or one of it missed."""
    train = [Seen(0.5, None, ""), Seen(1.0, 1.1, "echo"), Seen(1.5, None, ""), Seen(2.5, None, "")]
    assert lost(train, since=1, until=2) == (1, 2)


@pytest.mark.parametrize(("share", "value"), [(0.5, 10), (0.95, 19), (1.0, 20), (0.0, 1)])
def test_quantiles_are_values_that_were_measured(share: float, value: float) -> None:
    """A figure nobody measured would be promised."""
    assert quantile(list(range(20, 0, -1)), share) == value


def test_no_values_have_no_quantile() -> None:
    """A worker that measured nothing would look perfect."""
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)
