"""Which sources are set aside because they alone do not answer, and when they are trusted again. Pure."""

from __future__ import annotations

from edge.monitor.track import Track

AFTER, AFTER_MOST = 12, 96  # answers in a row until trusted again; doubled at every relapse


class Trust:
    """The trust in `tracks`; a source set aside proves life, but its silence and its losses say nothing."""

    def __init__(self, tracks: tuple[Track, ...]) -> None:
        self._tracks = tracks
        self._wanted: dict[str, int] = {}
        self.faulty: frozenset[str] = frozenset()

    def set_aside(self, track: Track) -> None:
        """Trust it no longer."""
        self._wanted[track.name] = min(max(AFTER, 2 * self._wanted.get(track.name, 0)), AFTER_MOST)
        track.trusted = False
        track.streak = 0
        self._name()

    def answered(self, track: Track) -> bool:
        """One that is set aside answered; True when it is trusted again."""
        track.streak += 1
        if track.streak < self._wanted[track.name]:
            return False
        track.trusted = True
        self._name()
        return True

    def _name(self) -> None:
        self.faulty = frozenset(track.name for track in self._tracks if not track.trusted and _worth_naming(track))


def _worth_naming(track: Track) -> bool:
    """Whether resolvers work is a verdict of its own, and many a gateway never answers a ping."""
    return track.role != "dns" and not (track.role == "gateway" and track.srtt_ms is None)
