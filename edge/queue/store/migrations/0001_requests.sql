-- Requests, their transitions, the way up (outbox) and the way down (change, cursor).
-- Personal fields are sealed; digests are keyed hashes for look-up only. Times are Unix seconds.

CREATE TABLE request (
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
    updated_at REAL NOT NULL
) STRICT;
CREATE INDEX request_nik ON request (nik_digest, letter) WHERE nik_digest IS NOT NULL;
CREATE INDEX request_phone ON request (phone_digest, created_at) WHERE phone_digest IS NOT NULL;
CREATE INDEX request_created ON request (created_at);

CREATE TABLE transition (
    seq INTEGER PRIMARY KEY,
    request TEXT NOT NULL REFERENCES request (id),
    from_state TEXT NOT NULL,
    to_state TEXT NOT NULL,
    actor TEXT NOT NULL,
    why BLOB,
    at REAL NOT NULL
) STRICT;
CREATE INDEX transition_request ON transition (request, seq);

-- One row for each thing that must have exactly one effect upstream. The payload is dropped once it is delivered.
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL UNIQUE,
    request TEXT NOT NULL REFERENCES request (id),
    kind TEXT NOT NULL,
    payload BLOB,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'leased', 'delivered', 'dead', 'withdrawn')),
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL,
    settled_at REAL
) STRICT;
CREATE INDEX outbox_open ON outbox (seq) WHERE state IN ('pending', 'leased');
CREATE INDEX outbox_dead ON outbox (seq) WHERE state = 'dead';
CREATE INDEX outbox_request ON outbox (request);

-- What came down, by the portal's event id, and what became of it.
CREATE TABLE change (
    event TEXT PRIMARY KEY,
    request TEXT NOT NULL,
    state TEXT NOT NULL,
    version INTEGER NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('applied', 'stale', 'unknown', 'illegal', 'unreadable')),
    at REAL NOT NULL
) STRICT;

CREATE TABLE cursor (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- A desk's Idempotency-Key (its digest), the body it came with, and the request it made.
CREATE TABLE idempotency (
    key BLOB PRIMARY KEY,
    fingerprint BLOB NOT NULL,
    request TEXT NOT NULL REFERENCES request (id),
    created_at REAL NOT NULL
) STRICT;

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    at REAL NOT NULL
) STRICT;
