-- users.username is a copy of what the user actor owns, kept current by user.updated: of two events the one with the
-- higher version wins.
ALTER TABLE users ADD COLUMN username_version bigint NOT NULL DEFAULT 0;

-- Where `sut rebuild auth.username` builds it anew.
CREATE TABLE username_copy (
    user_id  bigint PRIMARY KEY,
    username varchar(50) NOT NULL,
    version  bigint NOT NULL
);
