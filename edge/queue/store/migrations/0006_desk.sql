-- The desk's lists, newest first: UUIDs of version 7 are in the order of time.
CREATE INDEX request_state ON request (state, id);
CREATE INDEX request_letter ON request (letter, state, id);

-- What lies in the attachments' folder, or was promised room there.
CREATE INDEX attachment_room ON attachment (size) WHERE state IN ('arriving', 'whole');
DROP INDEX attachment_kept;
