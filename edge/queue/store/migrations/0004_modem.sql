-- SMS that go out, by modem and part by part; what is remembered of a modem; long messages told apart more exactly.
-- The table is built anew because its states change. Dropping the old one must not look like deleting parents: nothing
-- refers to it. Times are Unix seconds.

-- pending -> sending -> sent | failed (a person may look: `fault` says why) | uncertain; discarded by a person; expired.
-- `wish` is the modem that a message must go by ("" any), `modem` the one that has it or had it last. `start_at` is when
-- somebody wants it sent, `not_before` when it is tried again, `settle_at` until when a report may settle an uncertain one.
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
    settled_at REAL
) STRICT;
INSERT INTO outgoing_new (id, kind, code, priority, number, number_digest, text, stranger, request, inbound, state,
    attempts, uncertain, not_before, delivered, error, created_at, sending_at, settled_at)
SELECT id, kind, code, priority, number, number_digest, text, stranger, request, inbound, state,
    attempts, uncertain, not_before, delivered, error, created_at, sending_at, settled_at
FROM outgoing;

-- A part of a message: waiting, given (the network may have it) or taken (the network said so). `tp_mr` is the reference
-- written into the PDU, `told` the one that the modem named; `modem` and `given_at` count against a SIM's budget.
-- `hint` is the reference of a report that came while the part was under way, `hint_delivered` what that report said.
CREATE TABLE outgoing_part (
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
    PRIMARY KEY (message, sequence)
) STRICT, WITHOUT ROWID;

-- What was sent keeps its place in the budget, and the reports still to come find it.
INSERT INTO outgoing_part (message, sequence, tp_mr, told, state, modem, given_at, taken_at, delivered)
SELECT id, 1, CASE WHEN tp_mr = '' THEN id & 255 ELSE CAST(tp_mr AS INTEGER) END,
    CASE WHEN tp_mr = '' THEN NULL ELSE CAST(tp_mr AS INTEGER) END,
    CASE WHEN state = 'sent' THEN 'taken' ELSE 'given' END, '', sending_at, settled_at, delivered
FROM outgoing WHERE state IN ('sent', 'sending', 'uncertain');

DROP TABLE outgoing;
ALTER TABLE outgoing_new RENAME TO outgoing;

CREATE INDEX outgoing_pending ON outgoing (priority, id) WHERE state = 'pending';
CREATE INDEX outgoing_sending ON outgoing (id) WHERE state = 'sending';
CREATE INDEX outgoing_uncertain ON outgoing (settle_at) WHERE state = 'uncertain';
CREATE INDEX outgoing_failed ON outgoing (id) WHERE state = 'failed';
CREATE INDEX outgoing_number ON outgoing (number_digest, created_at);
CREATE INDEX outgoing_recipient ON outgoing (number_digest, sending_at) WHERE sending_at IS NOT NULL;
CREATE INDEX outgoing_strangers ON outgoing (created_at) WHERE stranger = 1;
CREATE INDEX outgoing_part_given ON outgoing_part (modem, given_at) WHERE given_at IS NOT NULL;

-- What is remembered of a modem from one start to the next: its service centre, its counter of TP-MR, its balance.
CREATE TABLE modem_memory (
    modem TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (modem, name)
) STRICT, WITHOUT ROWID;

-- The text of a part as a digest: a part that comes again after its message was whole is known by it.
ALTER TABLE inbound_part ADD COLUMN text_digest BLOB;
CREATE INDEX inbound_part_series ON inbound_part (series, sequence) WHERE inbound IS NOT NULL AND text_digest IS NOT NULL;
