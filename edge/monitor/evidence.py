"""What a verdict rests on, in short sentences, each a measured fact. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from edge.monitor.delay import Delay
from edge.monitor.ledger import Ledger
from edge.monitor.load import Load
from edge.monitor.resolvers import failed_in_row
from edge.monitor.track import Track
from edge.monitor.verdict import Cause


def sentences(
    cause: Cause, tracks: Sequence[Track], ledger: Ledger, delay: Delay, load: Load, *, now: float
) -> tuple[str, ...]:
    """The facts behind `cause`, the weightiest first; none for an uplink that is simply well."""
    beyond = [track for track in tracks if track.role in ("anchor", "public")]
    if cause in ("gateway", "beyond-gateway", "no-reply"):
        return _silence(tracks, beyond, ledger)
    if cause == "lossy":
        return (*_losses(tracks), *_load(load))
    if cause == "delayed":
        return (*_rises(beyond or tracks, delay, now), *_load(load))
    if cause == "slow":
        return (*_load(load), *_rises(beyond, delay, now))
    if cause == "dns":
        resolvers = tuple(track for track in tracks if track.role == "dns")
        return (f"the resolvers failed {failed_in_row(resolvers)} times in a row", *_losses(beyond))
    if cause == "captive-portal":
        return ("the check page was answered by somebody else twice in a row",)
    if cause == "target-fault":
        return tuple(f"{track.name} alone does not answer reliably" for track in tracks if not track.trusted)
    return ()


def _silence(tracks: Sequence[Track], beyond: Sequence[Track], ledger: Ledger) -> tuple[str, ...]:
    silent = ledger.tried()
    said = [
        f"{sum(track in silent for track in beyond)} of {len(beyond)} targets silent for {ledger.silence_s():.1f} s"
    ]
    if ledger.gateway_answers is not None:
        said.append(f"the gateway {'answers' if ledger.gateway_answers else 'is silent, too'}")
    elif any(track.role == "gateway" for track in tracks):
        said.append("the gateway never answered, so it cannot be blamed")
    return tuple(said)


def _losses(tracks: Sequence[Track]) -> tuple[str, ...]:
    said = []
    for track in tracks:
        lost, all_ = track.span_losses, track.span_losses + track.span_answers
        if lost > 0 and track.trusted:
            said.append(f"{track.name} lost {lost} of {all_}")
    return tuple(said)


def _rises(tracks: Sequence[Track], delay: Delay, now: float) -> tuple[str, ...]:
    said = [] if delay.rise_ms is None else [f"round trips are {delay.rise_ms:.0f} ms above the usual"]
    for track in tracks:
        rtt = track.rtt_ms(now - 5)
        if rtt is not None and track.usual_ms is not None and rtt - track.usual_ms > 1:
            said.append(f"{track.name} takes {rtt:.0f} ms, usually {track.usual_ms:.0f} ms")
    return tuple(said)


def _load(load: Load) -> tuple[str, ...]:
    if load.poor_fetch_mbit is not None and load.slow:
        return (f"two fetches in a row ran at {load.poor_fetch_mbit:.2f} Mbit/s or less",)
    return (f"{load.received_mbit:.1f} of {load.contract_mbit:g} Mbit/s are carried",) if load.received_mbit else ()
