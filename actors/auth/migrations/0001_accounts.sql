-- auth_db: who may log in, with what, and where they are logged in. Table and column names are the seed's; more were added.

CREATE SEQUENCE account_numbers AS bigint;

-- id: account_numbers × 32 + shard (0), so that a shard can be told from an id.
-- email: trimmed and lower-cased before it gets here; the check keeps it so.
-- status: pending until user.profile_create has answered; username and display_name are what it was asked to create, kept
-- so that the sweeper can finish what a crash interrupted.
CREATE TABLE users (
    id            bigint PRIMARY KEY DEFAULT nextval('account_numbers') * 32,
    email         varchar(255) NOT NULL,
    password_hash varchar(255) NOT NULL,
    is_verified   boolean NOT NULL DEFAULT FALSE,
    status        varchar(10) NOT NULL DEFAULT 'pending',
    level         smallint NOT NULL DEFAULT 1,
    username      varchar(50) NOT NULL,
    display_name  varchar(100),
    claimed_until timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_email_key UNIQUE (email),
    CONSTRAINT users_email_lower CHECK (email = lower(email)),
    CONSTRAINT users_status CHECK (status IN ('pending', 'active')),
    CONSTRAINT users_level CHECK (level IN (1, 3))
);
CREATE INDEX users_pending ON users (created_at) WHERE status = 'pending';

-- One login. Its id is in every access token (`sid`); its refresh tokens are one family.
CREATE TABLE sessions (
    id           varchar(32) PRIMARY KEY,
    user_id      bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz
);
CREATE INDEX sessions_by_user ON sessions (user_id, created_at DESC);
CREATE INDEX sessions_expired ON sessions (expires_at);

-- Refresh tokens, by SHA-256: the token itself is nowhere. used_at: exchanged for the next one; seen again after that, the
-- whole session is revoked.
CREATE TABLE tokens (
    token_hash bytea PRIMARY KEY,
    purpose    varchar(10) NOT NULL DEFAULT 'refresh',
    session_id varchar(32) NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE INDEX tokens_by_session ON tokens (session_id);

-- What edges must refuse until the access tokens that it concerns have expired. Ids are handed out under an advisory lock,
-- so that they become visible in order and `id > cursor` misses none.
CREATE TABLE revocations (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id       bigint NOT NULL,
    session_id    varchar(32),
    issued_before timestamptz,
    revoked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT revocations_one CHECK ((session_id IS NULL) <> (issued_before IS NULL))
);
CREATE INDEX revocations_old ON revocations (revoked_at);
