-- Administrators, suspension and deactivation (docs/decisions/0024-administration.md).

-- suspended_until: by itself until then; NULL: until somebody lifts it. account_version: grows with each change of what
-- others may see of the account (the two below), and is in its events.
ALTER TABLE users
    ADD COLUMN suspended_at      timestamptz,
    ADD COLUMN suspended_until   timestamptz,
    ADD COLUMN suspension_reason text,
    ADD COLUMN deactivated_at    timestamptz,
    ADD COLUMN account_version   bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT users_suspension CHECK ((suspended_at IS NULL) = (suspension_reason IS NULL)
                                           AND (suspended_until IS NULL OR suspended_at IS NOT NULL));

-- For the sweeper; for lists by state, by level, and by how address or name begin.
CREATE INDEX users_suspension_ends ON users (suspended_until) WHERE suspended_until IS NOT NULL;
CREATE INDEX users_suspended ON users (id) WHERE suspended_at IS NOT NULL;
CREATE INDEX users_deactivated ON users (id) WHERE deactivated_at IS NOT NULL;
CREATE INDEX users_admins ON users (id) WHERE level = 3;
CREATE INDEX users_email_prefix ON users (email varchar_pattern_ops);
CREATE INDEX users_username_prefix ON users (lower(username) text_pattern_ops);

-- What administrators did. by_id NULL: somebody on the machine. Rows are never changed, and outlive their accounts.
CREATE TABLE admin_acts (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    acted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    act      varchar(10) NOT NULL,
    by_id    bigint,
    user_id  bigint NOT NULL,
    reason   text,
    until    timestamptz,
    CONSTRAINT admin_acts_act CHECK (act IN ('grant', 'revoke', 'suspend', 'unsuspend'))
);
CREATE INDEX admin_acts_by_user ON admin_acts (user_id, id);

CREATE FUNCTION admin_acts_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'admin_acts is a record: its rows are never changed';
END $$;
CREATE TRIGGER admin_acts_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON admin_acts
    FOR EACH STATEMENT EXECUTE FUNCTION admin_acts_stay();

-- What cursors of lists are signed with: one key for all instances, made here by chance (two UUIDs of version 4: 244 bits).
CREATE TABLE cursor_key (
    id  integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    key bytea NOT NULL CHECK (octet_length(key) = 32)
);
INSERT INTO cursor_key (key) VALUES (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
