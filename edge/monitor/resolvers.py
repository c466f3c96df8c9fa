"""Do the resolvers of an uplink that works otherwise fail? Pure.

A resolver that often loses queries is given more of them before it counts as dead: what decides is the chance that
one with its usual loss would have failed so often in a row.
"""

from __future__ import annotations

import math

from edge.monitor.track import Track

SILENT_S = 5.0
LEAST_FAILED = 6
CHANCE = math.log(1e-6)
DOUBTED = 2  # failures in a row of the best resolver that keep "dns" from being over


def failed_in_row(resolvers: tuple[Track, ...]) -> int:
    """Failures in a row of the resolver that does best; 0 without resolvers."""
    return min((track.misses for track in resolvers), default=0)


def dead(resolvers: tuple[Track, ...], beyond: tuple[Track, ...]) -> bool:
    """Have all failed for longer than chance allows, while the targets `beyond` answer more than they miss?"""
    if failed_in_row(resolvers) < LEAST_FAILED:
        return False
    tallies = [track.lately(round(SILENT_S)) for track in beyond]
    if sum(lost for _, lost in tallies) > sum(answered for answered, _ in tallies):
        return False
    chance = sum(track.misses * math.log(max(0.1, track.usual_loss)) for track in resolvers)
    return chance <= CHANCE and min(track.asked_at - track.missed_from for track in resolvers) >= SILENT_S
