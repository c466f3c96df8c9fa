"""Store files as earlier versions left them: each known schema with rows in every table it had."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from edge.queue.store import files
from edge.queue.store.migrate import statements

SCHEMAS = range(1, len(files.known_migrations()))
Rows = dict[str, tuple[tuple[str, ...], list[tuple[object, ...]]]]

# What each schema added, written with the columns it had then.
_FILL = {
    1: """
INSERT INTO request (id, ticket, letter, source, state, version, person, nik_digest, rt, created_at, updated_at) VALUES
    ('r1', 'K01-M2', 'SKTM', 'sms', 'received', 1, x'01aa', x'02', 3, 5.5, 6),
    ('r2', 'K02-M2', 'SKCK', 'desk', 'forwarded', 2, x'01bb', NULL, NULL, 7, 8.25);
INSERT INTO transition (request, from_state, to_state, actor, why, at) VALUES
    ('r1', '', 'received', 'sms', NULL, 5.5), ('r2', 'received', 'forwarded', 'forwarder', x'01cc', 8.25);
INSERT INTO outbox (event, request, kind, payload, state, attempts, error, created_at, settled_at) VALUES
    ('e1', 'r1', 'request', x'01dd', 'pending', 3, 'later', 5.5, NULL),
    ('e2', 'r2', 'request', NULL, 'delivered', 1, '', 7, 8.25),
    ('e3', 'r2', 'cancel_requested', x'01ee', 'dead', 1, '422', 9, 9);
INSERT INTO change (event, request, state, version, outcome, at) VALUES ('c1', 'r2', 'signing', 3, 'applied', 10);
INSERT INTO cursor (name, value) VALUES ('changes', '17');
INSERT INTO idempotency (key, fingerprint, request, created_at) VALUES (x'aa', x'bb', 'r2', 7);
INSERT INTO audit (kind, subject, detail, at) VALUES ('dead-letter', 'r2', '422', 9);
""",
    2: """
INSERT INTO inbound (modem, sender, sender_digest, alphanumeric, text, text_digest, timestamp, received_at)
    VALUES ('modem', x'01', x'02', 0, x'03', x'04', '2026-11-22T12:00:00+07:00', 11.5);
INSERT INTO inbound_part (digest, inbound, series, sequence, total, content, received_at)
    VALUES (x'0a', 1, x'0b', 1, 1, NULL, 11.5), (x'0c', NULL, x'0d', 2, 3, x'0e', 12);
INSERT INTO outgoing (kind, code, priority, number, number_digest, text, request, state, created_at) VALUES
    ('reply', 'RECEIVED', 0, x'01', x'02', x'03', 'r1', 'pending', 12),
    ('digest', 'OVERDUE', 2, x'01', x'02', x'03', NULL, 'sent', 13);
INSERT INTO draft (phone_digest, content, created_at) VALUES (x'02', x'05', 12);
INSERT INTO notification_stop (phone_digest, since) VALUES (x'06', 12);
INSERT INTO staff_message (inbound, kind, created_at) VALUES (1, 'free', 12);
""",
    3: """
INSERT INTO rollup (grain, start, uplink, up_ms, degraded_ms, down_ms, service_up_ms, service_degraded_ms,
    service_down_ms, probes, lost, jitter_us, jitter_count, received_bytes, sent_bytes, metered_ms,
    peak_received_kbit, peak_sent_kbit, latency)
    VALUES ('hour', 3600, 'pde', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, x'16');
INSERT INTO outage (uplink, level, cause, began, seen) VALUES ('pde', 'down', 'carrier', 20, 21.5);
INSERT INTO decision (at, content) VALUES (22, '{}');
""",
    4: """
INSERT INTO outgoing_part (message, sequence, tp_mr, state, modem, given_at) VALUES (9, 1, 4, 'given', 'modem', 5);
INSERT INTO modem_memory (modem, name, value, at) VALUES ('modem', 'smsc', '+628', 23);
""",
    5: """
INSERT INTO attachment (id, request, sha256, size, media_type, name, state, created_at)
    VALUES ('a1', 'r1', 'ff', 10, 'image/png', x'07', 'arriving', 24);
INSERT INTO installation (name, value) VALUES ('epoch', '2');
INSERT INTO damage (found_at, file, place, lost, detail) VALUES (25, 'f', 'outbox', 'seq 3', '');
""",
}


def build(path: Path, schema: int) -> None:
    """A file with the first `schema` migrations, applied and recorded, each filled before the next one changes it."""
    connection = files.connect(path)
    connection.execute("CREATE TABLE migration (name TEXT PRIMARY KEY, applied_at TEXT)")
    for number, file in enumerate(files.known_migrations()[:schema], 1):
        connection.execute("PRAGMA foreign_keys = 0")
        for statement in statements(file.read_text() + _FILL.get(number, "")):
            connection.execute(statement)
        connection.execute("INSERT INTO migration VALUES (?, '')", (file.stem,))
    connection.close()


def rows(path: Path) -> Rows:
    """Every row of every table, with the names of its columns."""
    connection = files.connect(path)
    try:
        tables = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            " AND name NOT IN ('migration', 'outbox_depth')"
        ).fetchall()
        return {str(name): _content(connection, str(name)) for (name,) in tables}
    finally:
        connection.close()


def kept(before: Rows, after: Rows) -> bool:
    """Whether all that stood in `before` stands in `after`, as far as a column is still there."""
    for table, (columns, content) in before.items():
        names, now = after[table]
        common = [name for name in columns if name in names]
        if len(common) < len(columns) - 1 or _sorted(columns, content, common) != _sorted(names, now, common):
            return False
    return True


def _sorted(names: tuple[str, ...], content: list[tuple[object, ...]], common: list[str]) -> list[str]:
    places = [names.index(name) for name in common]
    return sorted(repr([row[place] for place in places]) for row in content)


def _content(connection: sqlite3.Connection, table: str) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    columns = tuple(str(row["name"]) for row in connection.execute(f'PRAGMA table_info("{table}")'))
    listed = ", ".join(f'"{name}"' for name in columns)
    return columns, [tuple(row) for row in connection.execute(f'SELECT {listed} FROM "{table}"')]
