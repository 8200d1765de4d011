-- What cursors of lists are signed with: one key for all instances, made here by chance (two UUIDs of version 4: 244 bits).
CREATE TABLE cursor_key (
    id  integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    key bytea NOT NULL CHECK (octet_length(key) = 32)
);
INSERT INTO cursor_key (key) VALUES (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

-- The lists' orders.
CREATE INDEX connections_newest ON connections (user_id, kind, created_at DESC, other_id DESC);
CREATE INDEX connections_back_newest ON connections (other_id, kind, created_at DESC, user_id DESC);
DROP INDEX connections_back;

-- For the sweeper of what has run out.
CREATE INDEX connections_expiring ON connections (expires_at) WHERE expires_at IS NOT NULL;
