"""Pure: when Ramadan was and will be in Indonesia, which is no public holiday and stands in no table of them.

To 2026 as the Ministry of Religious Affairs announced it; later as astronomers expect it, a day early or late. The
setting ``calendar.ramadan`` corrects a year once its dates are announced.
"""

from __future__ import annotations

from datetime import date

RAMADAN: tuple[tuple[date, date], ...] = (
    (date(2024, 3, 12), date(2024, 4, 9)),
    (date(2025, 3, 1), date(2025, 3, 30)),
    (date(2026, 2, 19), date(2026, 3, 20)),
    (date(2027, 2, 8), date(2027, 3, 9)),
    (date(2028, 1, 28), date(2028, 2, 26)),
    (date(2029, 1, 16), date(2029, 2, 14)),
    (date(2030, 1, 5), date(2030, 2, 3)),
    (date(2030, 12, 26), date(2031, 1, 24)),
    (date(2031, 12, 15), date(2032, 1, 13)),
    (date(2032, 12, 4), date(2033, 1, 2)),
    (date(2033, 11, 23), date(2033, 12, 22)),
    (date(2034, 11, 12), date(2034, 12, 11)),
    (date(2035, 11, 1), date(2035, 11, 30)),
    (date(2036, 10, 20), date(2036, 11, 18)),
    (date(2037, 10, 10), date(2037, 11, 8)),
    (date(2038, 9, 30), date(2038, 10, 29)),
    (date(2039, 9, 19), date(2039, 10, 18)),
    (date(2040, 9, 8), date(2040, 10, 7)),
)
