"""Our nftables table: loaded whole, and recognised again when somebody touched it."""

from __future__ import annotations

import pytest

from edge.kernel import nftables
from edge.kernel.state import TABLE, Ruleset
from tests.lab.namespaces import sh

pytestmark = pytest.mark.usefixtures("box")
_RULESET = Ruleset("abc", f"table inet {TABLE} {{\n chain one {{ accept\n }}\n}}\n")


def test_the_seal_tells_an_untouched_table_from_an_altered_one() -> None:
    """Whoever alters the table, and however, must be noticed by the next reader, also by one of another process."""
    assert nftables.observe() is None
    nftables.load(_RULESET)
    assert nftables.observe() == Ruleset("abc")
    for damage in (
        f"add rule inet {TABLE} one drop",
        f"add chain inet {TABLE} two",
        f"flush chain inet {TABLE} one",
        f"flush chain inet {TABLE} seal",
        f"flush table inet {TABLE}",
        f"add rule inet {TABLE} seal accept comment more",
    ):
        nftables.remove()
        nftables.load(_RULESET)
        sh(f"nft {damage}")
        assert nftables.observe() == Ruleset(nftables.ALTERED), damage
    nftables.remove()
    nftables.remove()
    assert nftables.observe() is None


def test_a_refused_ruleset_says_why_and_leaves_the_old_one() -> None:
    """A table that does not load must not cost the one that protects the guests."""
    nftables.load(_RULESET)
    with pytest.raises(nftables.NftRefused, match="syntax error"):
        nftables.load(Ruleset("new", f"table inet {TABLE}\ndelete table inet {TABLE}\nnonsense\n"))
    assert nftables.observe() == Ruleset("abc")


def test_what_the_kernel_can_is_told_without_a_trace() -> None:
    """A question that leaves a table behind, or a wrong answer, would break the first load of the ruleset."""
    before = sh("nft list ruleset")
    assert nftables.hashes() in (True, False)
    if nftables.counts():
        nftables.load(
            Ruleset(
                "counting",
                f"table inet {TABLE} {{\n set some {{ type ipv4_addr; size 16; flags dynamic; }}\n"
                " chain one { add @some { ip saddr ct count over 9 } drop\n }\n}\n",
            )
        )
        nftables.remove()
    assert sh("nft list ruleset") == before


def test_a_missing_nft_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator would search the configuration for a mistake where a package is missing."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(nftables.NftRefused, match="install the package nftables"):
        nftables.load(_RULESET)
