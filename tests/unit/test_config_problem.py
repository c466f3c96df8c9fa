"""A mistake as a value and the error that carries all of them."""

from edge.config_problem import ConfigError, Findings, Problem


def test_problem_reads_as_a_sentence() -> None:
    """The journal would show a tuple."""
    problem = Problem("error", "f.toml: uplink[1].gateway", "is missing", "Add it: text.")
    assert str(problem) == "error: f.toml: uplink[1].gateway: is missing. Add it: text."


def test_error_shows_every_problem() -> None:
    """Only the first mistake would reach the journal."""
    first, second = Problem("error", "f: a", "is bad", "Do."), Problem("warning", "f: b", "is odd", "Look.")
    assert str(ConfigError([first, second])) == "error: f: a: is bad. Do.\nwarning: f: b: is odd. Look."


def test_warnings_break_nothing() -> None:
    """A village with an unplugged cable could not start."""
    findings = Findings("f")
    findings.warning("a", "is odd", "Look.")
    assert not findings.broken
    findings.error("b", "is bad", "Do.")
    assert findings.broken
