-- The monitor's memory: how each uplink was, minute by minute, and what was decided. Times are Unix seconds.
-- Nothing here is personal.

-- Sums over one minute, hour, day or month of the village's calendar. Every second measured stands in exactly one row
-- with passed = 0; once its hour, day or month is over, a row is added to the coarser one and kept with passed = 1.
-- Minutes are appended and never looked for, so that writing them costs the flash one page.
CREATE TABLE rollup (
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
    latency BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX rollup_coarse ON rollup (grain, start, uplink, passed) WHERE grain <> 'minute';

-- An outage (down) or brownout (degraded) of one uplink. It lasts while ended is null; ended_by says what ended it:
-- the uplink itself (recovered, changed to the other level) or the box, which went off and knows no more.
CREATE TABLE outage (
    id INTEGER PRIMARY KEY,
    uplink TEXT NOT NULL,
    level TEXT NOT NULL CHECK (level IN ('down', 'degraded')),
    cause TEXT NOT NULL,
    began REAL NOT NULL,
    seen REAL NOT NULL,
    ended REAL,
    ended_by TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX outage_began ON outage (began);
CREATE INDEX outage_open ON outage (uplink) WHERE ended IS NULL;

-- The last decisions with the evidence each rested on, as JSON.
CREATE TABLE decision (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    content TEXT NOT NULL
) STRICT;
