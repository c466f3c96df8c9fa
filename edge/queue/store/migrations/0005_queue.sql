-- Every row carries a check sum over all its other columns, which SQLite keeps by itself: a generated column cannot be
-- forgotten. SQLite's own check does not see a flipped byte inside a value. rowsum() is registered by `files.connect`.
-- A STORED generated column needs its table built anew. A new column of a later migration needs that again.

CREATE TABLE request_new (
    id TEXT PRIMARY KEY,
    ticket TEXT NOT NULL UNIQUE,
    letter TEXT NOT NULL,
    source TEXT NOT NULL CHECK (source IN ('sms', 'desk')),
    state TEXT NOT NULL,
    version INTEGER NOT NULL,
    portal_version INTEGER NOT NULL DEFAULT 0,
    person BLOB NOT NULL,
    nik_digest BLOB,
    phone_digest BLOB,
    rt INTEGER,
    rw INTEGER,
    flags TEXT NOT NULL DEFAULT '',
    missing TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum(
        'request', id, ticket, letter, source, state, version, portal_version, person, nik_digest, phone_digest,
        rt, rw, flags, missing, created_at, updated_at
    )) STORED
) STRICT;
INSERT INTO request_new (
    id, ticket, letter, source, state, version, portal_version, person, nik_digest, phone_digest, rt, rw, flags,
    missing, created_at, updated_at
)
SELECT
    id, ticket, letter, source, state, version, portal_version, person, nik_digest, phone_digest, rt, rw, flags,
    missing, created_at, updated_at
FROM request;
DROP TABLE request;
ALTER TABLE request_new RENAME TO request;
CREATE INDEX request_nik ON request (nik_digest, letter) WHERE nik_digest IS NOT NULL;
CREATE INDEX request_phone ON request (phone_digest, created_at) WHERE phone_digest IS NOT NULL;
CREATE INDEX request_created ON request (created_at);

CREATE TABLE transition_new (
    seq INTEGER PRIMARY KEY,
    request TEXT NOT NULL REFERENCES request (id),
    from_state TEXT NOT NULL,
    to_state TEXT NOT NULL,
    actor TEXT NOT NULL,
    why BLOB,
    at REAL NOT NULL,
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum(
        'transition', seq, request, from_state, to_state, actor, why, at
    )) STORED
) STRICT;
INSERT INTO transition_new (seq, request, from_state, to_state, actor, why, at)
SELECT seq, request, from_state, to_state, actor, why, at FROM transition;
DROP TABLE transition;
ALTER TABLE transition_new RENAME TO transition;
CREATE INDEX transition_request ON transition (request, seq);

-- One row for each thing that must have exactly one effect upstream. Rows of a stream go one after another, others in any
-- order: only the first open row of a stream may be something else than held. Payloads go with delivery.
-- pending -> leased (until leased_until) -> confirming (a broker has it; until not_before) -> delivered
--         -> waiting (until not_before) -> pending again;   -> dead -> pending again (a person) | discarded
-- withdrawn (cancelled before anything left), expired (not handed over by expires_at).
CREATE TABLE outbox_new (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL UNIQUE,
    stream TEXT,
    request TEXT REFERENCES request (id),
    kind TEXT NOT NULL,
    lane INTEGER NOT NULL CHECK (lane BETWEEN 0 AND 4),
    payload BLOB,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'waiting', 'held', 'leased', 'confirming',
        'delivered', 'dead', 'withdrawn', 'expired', 'discarded')),
    attempts INTEGER NOT NULL DEFAULT 0,
    faults INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,
    expires_at REAL,
    leased_until REAL,
    error TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL,
    settled_at REAL,
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum(
        'outbox', seq, event, stream, request, kind, lane, payload, state, attempts, faults, not_before,
        expires_at, leased_until, error, created_at, settled_at
    )) STORED
) STRICT;
INSERT INTO outbox_new (
    seq, event, stream, request, kind, lane, payload, state, attempts, not_before, error, created_at, settled_at
)
SELECT seq, event, request, request, kind, kind <> 'request', payload,
    CASE WHEN state IN ('pending', 'leased') AND EXISTS (
        SELECT 1 FROM outbox AS earlier WHERE earlier.request = mine.request AND earlier.seq < mine.seq
            AND earlier.state IN ('pending', 'leased', 'dead')) THEN 'held'
        WHEN state = 'leased' THEN 'pending' ELSE state END,
    attempts, 0, error, created_at, settled_at
FROM outbox AS mine;
DROP TABLE outbox;
ALTER TABLE outbox_new RENAME TO outbox;
CREATE INDEX outbox_due ON outbox (lane, seq) WHERE state = 'pending';
CREATE INDEX outbox_waiting ON outbox (not_before) WHERE state IN ('waiting', 'confirming');
CREATE INDEX outbox_leased ON outbox (leased_until) WHERE state = 'leased';
CREATE INDEX outbox_expires ON outbox (expires_at)
    WHERE expires_at IS NOT NULL AND state IN ('pending', 'waiting', 'held', 'leased', 'confirming', 'dead');
CREATE INDEX outbox_stream ON outbox (stream, seq)
    WHERE stream IS NOT NULL AND state IN ('pending', 'waiting', 'held', 'leased', 'confirming', 'dead');
CREATE INDEX outbox_dead ON outbox (seq) WHERE state = 'dead';
CREATE INDEX outbox_request ON outbox (request) WHERE request IS NOT NULL;

-- How many rows stand in each lane and state and the bytes of their payloads, kept by triggers: nobody counts rows.
CREATE TABLE outbox_depth (
    lane INTEGER NOT NULL,
    state TEXT NOT NULL,
    rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (lane, state)
) STRICT, WITHOUT ROWID;
INSERT INTO outbox_depth SELECT lane, state, count(*), ifnull(sum(length(payload)), 0) FROM outbox GROUP BY lane, state;
CREATE TRIGGER outbox_added AFTER INSERT ON outbox BEGIN
    INSERT INTO outbox_depth VALUES (new.lane, new.state, 1, ifnull(length(new.payload), 0))
    ON CONFLICT (lane, state) DO UPDATE SET rows = rows + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER outbox_moved AFTER UPDATE OF lane, state ON outbox
WHEN old.state <> new.state OR old.lane <> new.lane BEGIN
    UPDATE outbox_depth SET rows = rows - 1, bytes = bytes - ifnull(length(old.payload), 0)
    WHERE lane = old.lane AND state = old.state;
    INSERT INTO outbox_depth VALUES (new.lane, new.state, 1, ifnull(length(new.payload), 0))
    ON CONFLICT (lane, state) DO UPDATE SET rows = rows + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER outbox_removed AFTER DELETE ON outbox BEGIN
    UPDATE outbox_depth SET rows = rows - 1, bytes = bytes - ifnull(length(old.payload), 0)
    WHERE lane = old.lane AND state = old.state;
END;

CREATE TABLE change_new (
    event TEXT PRIMARY KEY,
    request TEXT NOT NULL,
    state TEXT NOT NULL,
    version INTEGER NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('applied', 'stale', 'unknown', 'illegal', 'unreadable')),
    at REAL NOT NULL,
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum('change', event, request, state, version, outcome, at)) STORED
) STRICT;
INSERT INTO change_new (event, request, state, version, outcome, at)
SELECT event, request, state, version, outcome, at FROM change;
DROP TABLE change;
ALTER TABLE change_new RENAME TO change;

CREATE TABLE cursor_new (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum('cursor', name, value)) STORED
) STRICT;
INSERT INTO cursor_new (name, value) SELECT name, value FROM cursor;
DROP TABLE cursor;
ALTER TABLE cursor_new RENAME TO cursor;

CREATE TABLE idempotency_new (
    key BLOB PRIMARY KEY,
    fingerprint BLOB NOT NULL,
    request TEXT NOT NULL REFERENCES request (id),
    created_at REAL NOT NULL,
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum('idempotency', key, fingerprint, request, created_at)) STORED
) STRICT;
INSERT INTO idempotency_new (key, fingerprint, request, created_at)
SELECT key, fingerprint, request, created_at FROM idempotency;
DROP TABLE idempotency;
ALTER TABLE idempotency_new RENAME TO idempotency;

CREATE TABLE audit_new (
    seq INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    at REAL NOT NULL,
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum('audit', seq, kind, subject, detail, at)) STORED
) STRICT;
INSERT INTO audit_new (seq, kind, subject, detail, at) SELECT seq, kind, subject, detail, at FROM audit;
DROP TABLE audit;
ALTER TABLE audit_new RENAME TO audit;

CREATE TABLE inbound_new (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    modem TEXT NOT NULL,
    sender BLOB NOT NULL,
    sender_digest BLOB NOT NULL,
    alphanumeric INTEGER NOT NULL,
    text BLOB NOT NULL,
    text_digest BLOB NOT NULL,
    timestamp TEXT NOT NULL,
    received_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    handled_at REAL,
    outcome TEXT NOT NULL DEFAULT '',
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum(
        'inbound', id, modem, sender, sender_digest, alphanumeric, text, text_digest, timestamp, received_at,
        attempts, handled_at, outcome
    )) STORED
) STRICT;
INSERT INTO inbound_new (
    id, modem, sender, sender_digest, alphanumeric, text, text_digest, timestamp, received_at, attempts, handled_at,
    outcome
)
SELECT
    id, modem, sender, sender_digest, alphanumeric, text, text_digest, timestamp, received_at, attempts, handled_at,
    outcome
FROM inbound;
DROP TABLE inbound;
ALTER TABLE inbound_new RENAME TO inbound;
CREATE INDEX inbound_waiting ON inbound (id) WHERE handled_at IS NULL;
CREATE INDEX inbound_sender ON inbound (sender_digest, received_at);

CREATE TABLE inbound_part_new (
    digest BLOB PRIMARY KEY,
    inbound INTEGER REFERENCES inbound (id),
    series BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    total INTEGER NOT NULL,
    content BLOB,
    received_at REAL NOT NULL,
    text_digest BLOB,
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum(
        'inbound_part', digest, inbound, series, sequence, total, content, received_at, text_digest
    )) STORED
) STRICT, WITHOUT ROWID;
INSERT INTO inbound_part_new (
    digest, inbound, series, sequence, total, content, received_at, text_digest
)
SELECT
    digest, inbound, series, sequence, total, content, received_at, text_digest
FROM inbound_part;
DROP TABLE inbound_part;
ALTER TABLE inbound_part_new RENAME TO inbound_part;
CREATE INDEX inbound_part_open ON inbound_part (series, sequence) WHERE inbound IS NULL;
CREATE INDEX inbound_part_series ON inbound_part (series, sequence) WHERE inbound IS NOT NULL AND text_digest IS NOT NULL;

CREATE TABLE draft_new (
    phone_digest BLOB PRIMARY KEY,
    content BLOB NOT NULL,
    created_at REAL NOT NULL,
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum('draft', phone_digest, content, created_at)) STORED
) STRICT, WITHOUT ROWID;
INSERT INTO draft_new (phone_digest, content, created_at) SELECT phone_digest, content, created_at FROM draft;
DROP TABLE draft;
ALTER TABLE draft_new RENAME TO draft;

CREATE TABLE notification_stop_new (
    phone_digest BLOB PRIMARY KEY,
    since REAL NOT NULL,
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum('notification_stop', phone_digest, since)) STORED
) STRICT, WITHOUT ROWID;
INSERT INTO notification_stop_new (phone_digest, since) SELECT phone_digest, since FROM notification_stop;
DROP TABLE notification_stop;
ALTER TABLE notification_stop_new RENAME TO notification_stop;

CREATE TABLE staff_message_new (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    inbound INTEGER NOT NULL REFERENCES inbound (id),
    kind TEXT NOT NULL,
    ticket TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL,
    read_at REAL,
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum(
        'staff_message', id, inbound, kind, ticket, created_at, read_at
    )) STORED
) STRICT;
INSERT INTO staff_message_new (id, inbound, kind, ticket, created_at, read_at)
SELECT id, inbound, kind, ticket, created_at, read_at FROM staff_message;
DROP TABLE staff_message;
ALTER TABLE staff_message_new RENAME TO staff_message;
CREATE INDEX staff_message_unread ON staff_message (id) WHERE read_at IS NULL;

CREATE TABLE rollup_new (
    id INTEGER PRIMARY KEY,
    grain TEXT NOT NULL CHECK (grain IN ('minute', 'hour', 'day', 'month')),
    start INTEGER NOT NULL,
    uplink TEXT NOT NULL,
    passed INTEGER NOT NULL DEFAULT 0,
    up_ms INTEGER NOT NULL,
    degraded_ms INTEGER NOT NULL,
    down_ms INTEGER NOT NULL,
    service_up_ms INTEGER NOT NULL,
    service_degraded_ms INTEGER NOT NULL,
    service_down_ms INTEGER NOT NULL,
    probes INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    jitter_us INTEGER NOT NULL,
    jitter_count INTEGER NOT NULL,
    received_bytes INTEGER NOT NULL,
    sent_bytes INTEGER NOT NULL,
    metered_ms INTEGER NOT NULL,
    peak_received_kbit INTEGER NOT NULL,
    peak_sent_kbit INTEGER NOT NULL,
    latency BLOB NOT NULL,
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum(
        'rollup', id, grain, start, uplink, passed, up_ms, degraded_ms, down_ms, service_up_ms,
        service_degraded_ms, service_down_ms, probes, lost, jitter_us, jitter_count, received_bytes, sent_bytes,
        metered_ms, peak_received_kbit, peak_sent_kbit, latency
    )) STORED
) STRICT;
INSERT INTO rollup_new (
    id, grain, start, uplink, passed, up_ms, degraded_ms, down_ms, service_up_ms, service_degraded_ms,
    service_down_ms, probes, lost, jitter_us, jitter_count, received_bytes, sent_bytes, metered_ms,
    peak_received_kbit, peak_sent_kbit, latency
)
SELECT
    id, grain, start, uplink, passed, up_ms, degraded_ms, down_ms, service_up_ms, service_degraded_ms,
    service_down_ms, probes, lost, jitter_us, jitter_count, received_bytes, sent_bytes, metered_ms,
    peak_received_kbit, peak_sent_kbit, latency
FROM rollup;
DROP TABLE rollup;
ALTER TABLE rollup_new RENAME TO rollup;
CREATE UNIQUE INDEX rollup_coarse ON rollup (grain, start, uplink, passed) WHERE grain <> 'minute';

CREATE TABLE outage_new (
    id INTEGER PRIMARY KEY,
    uplink TEXT NOT NULL,
    level TEXT NOT NULL CHECK (level IN ('down', 'degraded')),
    cause TEXT NOT NULL,
    began REAL NOT NULL,
    seen REAL NOT NULL,
    ended REAL,
    ended_by TEXT NOT NULL DEFAULT '',
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum(
        'outage', id, uplink, level, cause, began, seen, ended, ended_by
    )) STORED
) STRICT;
INSERT INTO outage_new (id, uplink, level, cause, began, seen, ended, ended_by)
SELECT id, uplink, level, cause, began, seen, ended, ended_by FROM outage;
DROP TABLE outage;
ALTER TABLE outage_new RENAME TO outage;
CREATE INDEX outage_began ON outage (began);
CREATE INDEX outage_open ON outage (uplink) WHERE ended IS NULL;

CREATE TABLE decision_new (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    content TEXT NOT NULL,
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum('decision', id, at, content)) STORED
) STRICT;
INSERT INTO decision_new (id, at, content) SELECT id, at, content FROM decision;
DROP TABLE decision;
ALTER TABLE decision_new RENAME TO decision;

CREATE TABLE outgoing_new (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('reply', 'notification', 'digest')),
    code TEXT NOT NULL,
    priority INTEGER NOT NULL,
    number BLOB NOT NULL,
    number_digest BLOB NOT NULL,
    text BLOB NOT NULL,
    stranger INTEGER NOT NULL DEFAULT 0,
    request TEXT REFERENCES request (id),
    inbound INTEGER REFERENCES inbound (id),
    state TEXT NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'sending', 'sent', 'failed', 'uncertain', 'expired', 'discarded')),
    attempts INTEGER NOT NULL DEFAULT 0,
    uncertain INTEGER NOT NULL DEFAULT 0,
    wish TEXT NOT NULL DEFAULT '',
    modem TEXT NOT NULL DEFAULT '',
    start_at REAL NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,
    expires_at REAL,
    settle_at REAL,
    delivered INTEGER,
    fault TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL,
    sending_at REAL,
    settled_at REAL,
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum(
        'outgoing', id, kind, code, priority, number, number_digest, text, stranger, request, inbound, state,
        attempts, uncertain, wish, modem, start_at, not_before, expires_at, settle_at, delivered, fault, error,
        created_at, sending_at, settled_at
    )) STORED
) STRICT;
INSERT INTO outgoing_new (
    id, kind, code, priority, number, number_digest, text, stranger, request, inbound, state, attempts, uncertain,
    wish, modem, start_at, not_before, expires_at, settle_at, delivered, fault, error, created_at, sending_at,
    settled_at
)
SELECT
    id, kind, code, priority, number, number_digest, text, stranger, request, inbound, state, attempts, uncertain,
    wish, modem, start_at, not_before, expires_at, settle_at, delivered, fault, error, created_at, sending_at,
    settled_at
FROM outgoing;
DROP TABLE outgoing;
ALTER TABLE outgoing_new RENAME TO outgoing;
CREATE INDEX outgoing_pending ON outgoing (priority, id) WHERE state = 'pending';
CREATE INDEX outgoing_sending ON outgoing (id) WHERE state = 'sending';
CREATE INDEX outgoing_uncertain ON outgoing (settle_at) WHERE state = 'uncertain';
CREATE INDEX outgoing_failed ON outgoing (id) WHERE state = 'failed';
CREATE INDEX outgoing_number ON outgoing (number_digest, created_at);
CREATE INDEX outgoing_recipient ON outgoing (number_digest, sending_at) WHERE sending_at IS NOT NULL;
CREATE INDEX outgoing_strangers ON outgoing (created_at) WHERE stranger = 1;

CREATE TABLE outgoing_part_new (
    message INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    tp_mr INTEGER NOT NULL,
    told INTEGER,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'given', 'taken')),
    modem TEXT NOT NULL,
    given_at REAL,
    taken_at REAL,
    delivered INTEGER,
    hint INTEGER,
    hint_delivered INTEGER,
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum(
        'outgoing_part', message, sequence, tp_mr, told, state, modem, given_at, taken_at, delivered, hint,
        hint_delivered
    )) STORED,
    PRIMARY KEY (message, sequence)
) STRICT, WITHOUT ROWID;
INSERT INTO outgoing_part_new (
    message, sequence, tp_mr, told, state, modem, given_at, taken_at, delivered, hint, hint_delivered
)
SELECT
    message, sequence, tp_mr, told, state, modem, given_at, taken_at, delivered, hint, hint_delivered
FROM outgoing_part;
DROP TABLE outgoing_part;
ALTER TABLE outgoing_part_new RENAME TO outgoing_part;
CREATE INDEX outgoing_part_given ON outgoing_part (modem, given_at) WHERE given_at IS NOT NULL;

CREATE TABLE modem_memory_new (
    modem TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    at REAL NOT NULL,
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum('modem_memory', modem, name, value, at)) STORED,
    PRIMARY KEY (modem, name)
) STRICT, WITHOUT ROWID;
INSERT INTO modem_memory_new (modem, name, value, at) SELECT modem, name, value, at FROM modem_memory;
DROP TABLE modem_memory;
ALTER TABLE modem_memory_new RENAME TO modem_memory;

-- Scans that belong to a request. The bytes are sealed in a file of their own beside the database, never in it.
-- arriving (received of size bytes) -> whole -> sent (the upstream has it; the file is removed) | failed.
CREATE TABLE attachment (
    id TEXT PRIMARY KEY,
    request TEXT NOT NULL REFERENCES request (id),
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    media_type TEXT NOT NULL,
    name BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('arriving', 'whole', 'sent', 'failed')),
    received INTEGER NOT NULL DEFAULT 0,
    sent INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    settled_at REAL,
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum(
        'attachment', id, request, sha256, size, media_type, name, state, received, sent, created_at, settled_at
    )) STORED
) STRICT;
CREATE UNIQUE INDEX attachment_content ON attachment (request, sha256);
CREATE INDEX attachment_kept ON attachment (created_at) WHERE state IN ('arriving', 'whole', 'failed');

-- What is known of this installation: id (a UUID made with the file), epoch (raised at enrolment), and the like.
CREATE TABLE installation (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum('installation', name, value)) STORED
) STRICT, WITHOUT ROWID;

-- What was lost to damage, named: the table, what of it (a rowid, a range, an identifier), and what was done.
CREATE TABLE damage (
    seq INTEGER PRIMARY KEY,
    found_at REAL NOT NULL,
    file TEXT NOT NULL,
    place TEXT NOT NULL,
    lost TEXT NOT NULL,
    detail TEXT NOT NULL,
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum('damage', seq, found_at, file, place, lost, detail)) STORED
) STRICT;
