-- What lands at the regency. Everything is found by a key; nothing is deleted but by the regency's own rules.

CREATE TABLE installation (
    village   text        NOT NULL,
    id        uuid        NOT NULL,
    epoch     integer     NOT NULL,
    state     jsonb       NOT NULL,
    beaten_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (village, id),
    UNIQUE (village, epoch)
);

CREATE TABLE event (
    id         text        PRIMARY KEY,
    village    text        NOT NULL,
    type       text        NOT NULL,
    subject    text,
    epoch      integer     NOT NULL,
    seq        bigint      NOT NULL,
    created_at timestamptz,
    landed_at  timestamptz NOT NULL DEFAULT now(),
    data       jsonb       NOT NULL
);
CREATE INDEX event_village ON event (village, landed_at);
CREATE INDEX event_subject ON event (subject) WHERE subject IS NOT NULL;

-- What a replaced box still said, and what nobody can read: kept for people, never confirmed.
CREATE TABLE refused (
    sha256    text        PRIMARY KEY,
    village   text        NOT NULL,
    why       text        NOT NULL,
    body      bytea       NOT NULL,
    landed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE blob (
    sha256     text        PRIMARY KEY,
    village    text        NOT NULL,
    media_type text        NOT NULL,
    size       bigint      NOT NULL,
    received   bigint      NOT NULL DEFAULT 0,
    whole      boolean     NOT NULL DEFAULT false,
    landed_at  timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE blob_piece (
    sha256 text   NOT NULL REFERENCES blob ON DELETE CASCADE,
    start  bigint NOT NULL,
    bytes  bytea  NOT NULL,
    PRIMARY KEY (sha256, start)
);

-- What officers decide: a row here is told to the village's box, in the order of the rows.
CREATE TABLE change (
    id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    village text        NOT NULL,
    request text        NOT NULL,
    state   text        NOT NULL,
    version integer     NOT NULL CHECK (version > 0),
    why     text        NOT NULL DEFAULT '',
    made_at timestamptz NOT NULL DEFAULT now(),
    told_at timestamptz,
    UNIQUE (request, version)
);
CREATE INDEX change_untold ON change (id) WHERE told_at IS NULL;
