-- SMS: parts and whole messages in, messages out, unfinished requests, numbers that want no notifications, the inbox of
-- the office's staff. Numbers and texts are sealed; digests are keyed hashes for look-up only. Times are Unix seconds.

-- A whole message. It waits while handled_at is null.
CREATE TABLE inbound (
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
    outcome TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX inbound_waiting ON inbound (id) WHERE handled_at IS NULL;
CREATE INDEX inbound_sender ON inbound (sender_digest, received_at);

-- A part as the modem listed it, known by a digest of modem and PDU. What a whole message holds is not kept twice.
CREATE TABLE inbound_part (
    digest BLOB PRIMARY KEY,
    inbound INTEGER REFERENCES inbound (id),
    series BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    total INTEGER NOT NULL,
    content BLOB,
    received_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX inbound_part_open ON inbound_part (series, sequence) WHERE inbound IS NULL;

CREATE TABLE outgoing (
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
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sending', 'sent', 'failed', 'uncertain')),
    attempts INTEGER NOT NULL DEFAULT 0,
    uncertain INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,
    tp_mr TEXT NOT NULL DEFAULT '',
    delivered INTEGER,
    error TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL,
    sending_at REAL,
    settled_at REAL
) STRICT;
CREATE INDEX outgoing_pending ON outgoing (priority, id) WHERE state = 'pending';
CREATE INDEX outgoing_sending ON outgoing (id) WHERE state = 'sending';
CREATE INDEX outgoing_sent_at ON outgoing (sending_at) WHERE sending_at IS NOT NULL;
CREATE INDEX outgoing_number ON outgoing (number_digest, created_at);
CREATE INDEX outgoing_strangers ON outgoing (created_at) WHERE stranger = 1;

CREATE TABLE draft (
    phone_digest BLOB PRIMARY KEY,
    content BLOB NOT NULL,
    created_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE notification_stop (
    phone_digest BLOB PRIMARY KEY,
    since REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- Messages that a person must read; the text is the inbound row's.
CREATE TABLE staff_message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    inbound INTEGER NOT NULL REFERENCES inbound (id),
    kind TEXT NOT NULL,
    ticket TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL,
    read_at REAL
) STRICT;
CREATE INDEX staff_message_unread ON staff_message (id) WHERE read_at IS NULL;
