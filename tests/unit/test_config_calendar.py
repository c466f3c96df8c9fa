"""What is wrong with a calendar, one mistake a file."""

from tests.unit.config_mistakes import DATA, EXPLAINED, Mistakes, each_of, said

IN_ORDER = "Write hours that follow each other, such as 07:30-12:00,13:00-15:30."
DATE = "Write year, month and day, such as 2026-12-24."
MISTAKES: Mistakes = {
    "calendar-date": [
        ("calendar.days.2026-02-30", '"2026-02-30" is no date', DATE),
        ("calendar.days.24-12-2026", '"24-12-2026" is no date', DATE),
    ],
    "calendar-day-hours": [
        (
            "calendar.days.2026-12-24",
            '"half" is not closed, or hours such as 08:00-12:00,13:00-15:00',
            EXPLAINED,
        ),
        ("calendar.days.2026-12-23", '"12:00-08:00" has hours that end before they begin', IN_ORDER),
    ],
    "calendar-end": [
        ("calendar.hours[1]", '"mon-fri 15:30-07:30" has hours that end before they begin', IN_ORDER),
    ],
    "calendar-form": [
        (
            "calendar.hours[1]",
            '"senin 7.30-15.30" is not days and hours such as mon-thu 07:30-12:00,13:00-15:30',
            EXPLAINED,
        ),
    ],
    "calendar-overlap": [
        (
            "calendar.hours[3]",
            "14:00-17:00 on wed overlaps 07:30-15:30 of entry 1",
            "Give each hour of a day one entry.",
        ),
    ],
    "calendar-own-overlap": [
        (
            "calendar.ramadan_hours[1]",
            '"mon-fri 08:00-12:00,11:30-15:00" has hours that overlap from 11:30 on',
            IN_ORDER,
        ),
    ],
    "calendar-ramadan-length": [
        (
            "calendar.ramadan[1]",
            '"2027-02-08/2027-03-19" has 40 days, wanted 29 or 30',
            "Correct its first or last day.",
        ),
    ],
    "calendar-ramadan-order": [
        (
            "calendar.ramadan[1]",
            '"2027-03-09/2027-02-08" ends before it begins',
            "Write the first and the last day, such as 2027-02-08/2027-03-09.",
        ),
    ],
    "calendar-ramadan-twice": [
        ("calendar.ramadan[2]", '"2027-02-09/2027-03-09" overlaps another period', "Write each Ramadan once."),
    ],
    "policy-holds": [
        (
            "policy.failback_hold_s",
            "600 is above failback_most_s, 300",
            "Lower failback_hold_s or raise failback_most_s.",
        ),
    ],
}


@each_of(MISTAKES)
def test_mistake_is_named_with_place_value_and_remedy(name: str) -> None:
    """An office would be judged by hours that nobody meant."""
    assert said(DATA / f"invalid-{name}.toml", "error") == MISTAKES[name]


def test_a_calendar_without_hours_warns() -> None:
    """A village would wonder why a slow uplink is never left."""
    path = DATA / "warning-calendar-empty.toml"
    message = "is empty, so a degraded uplink is never left: policy.brownout_moves is service-hours"
    remedy = 'Write the hours, or brownout_moves = "always" or "never".'
    assert ("calendar.hours", message, remedy) in said(path, "warning")
    assert not said(path, "error")
