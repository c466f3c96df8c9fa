from __future__ import annotations

import pytest

from bench.fuzzing import corpus
from bench.fuzzing.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_the_kept_inputs_still_pass(target: str) -> None:
    """What fuzzing once found would come back."""
    inputs = corpus.kept(target)
    assert 50 <= len(inputs) <= corpus.MOST
    for octets in inputs:
        TARGETS[target](octets)


def test_the_kept_inputs_are_small() -> None:
    """The repository would grow with every run."""
    assert sum(path.stat().st_size for path in corpus.FOLDER.iterdir()) < 300_000
