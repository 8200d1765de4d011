-- Mails that were asked for. Those with a token (verify, reset) are how a mailbox proves that it is its owner's: the token
-- acts on whatever active account has this address when it is used. A reset that was asked for an address without account
-- has a row like any other, so that asking takes the same work; its token is never sent.
-- token_hash: SHA-256. The token itself is nowhere; it is made from id by a key that the database does not hold.
-- ended_at, outcome: sent, refused (by the mail server, for good) or dropped (not needed any more).
CREATE TABLE mails (
    id         varchar(32) PRIMARY KEY,
    kind       varchar(10) NOT NULL,
    email      varchar(255) NOT NULL,
    token_hash bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    ended_at   timestamptz,
    outcome    varchar(10),
    CONSTRAINT mails_token_key UNIQUE (token_hash),
    CONSTRAINT mails_kind CHECK (kind IN ('verify', 'reset', 'changed')),
    CONSTRAINT mails_token CHECK ((token_hash IS NULL) = (kind = 'changed')),
    CONSTRAINT mails_outcome CHECK (outcome IN ('sent', 'refused', 'dropped'))
);
CREATE INDEX mails_by_email ON mails (email, kind, created_at);
CREATE INDEX mails_expired ON mails (expires_at);

-- Grows with each change of the password: a login that has checked an older one opens no session.
ALTER TABLE users ADD COLUMN password_version bigint NOT NULL DEFAULT 0;
