"""Who is set aside, and for how long."""

from edge.monitor.sources import Role, Source
from edge.monitor.track import Track
from edge.monitor.trust import AFTER, AFTER_MOST, Trust


def track(role: Role) -> Track:
    return Track(Source(role, "icmp", role, role), span_s=40)


def answers_until_trusted(trust: Trust, one: Track) -> int:
    trust.set_aside(one)
    count = 1
    while not trust.answered(one):
        count += 1
    return count


def test_every_relapse_doubles_the_answers_wanted() -> None:
    """A host that limits its answers now and then would come and go all day."""
    one = track("public")
    trust = Trust((one,))
    assert [answers_until_trusted(trust, one) for _ in range(6)] == [12, 24, 48, 96, 96, 96]
    assert (AFTER, AFTER_MOST) == (12, 96)


def test_only_who_is_worth_it_is_named() -> None:
    """Whether resolvers work is a verdict of its own; many a gateway never answers a ping."""
    gateway, dns, anchor = track("gateway"), track("dns"), track("anchor")
    trust = Trust((gateway, dns, anchor))
    for one in (gateway, dns, anchor):
        trust.set_aside(one)
    assert trust.faulty == {"anchor"}
    gateway.took(0.0, 1.0, 1.0)
    trust.set_aside(gateway)
    assert trust.faulty == {"anchor", "gateway"}
