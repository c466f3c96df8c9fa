-- Who refers to a message: upkeep asks so before it deletes one, and so does SQLite for each foreign key.
CREATE INDEX inbound_part_inbound ON inbound_part (inbound) WHERE inbound IS NOT NULL;
CREATE INDEX outgoing_inbound ON outgoing (inbound) WHERE inbound IS NOT NULL;
CREATE INDEX staff_message_inbound ON staff_message (inbound);

-- Rows that were tried in vain, apart from the many that wait for a broker's word.
CREATE INDEX outbox_tried ON outbox (seq) WHERE state = 'waiting' AND attempts > 0;
