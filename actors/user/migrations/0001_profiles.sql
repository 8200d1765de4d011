-- user_db: profiles, settings and connections. Names are the seed's; the foreign key to users is not, since that table
-- lives in another database (docs/decisions/0007-seed-contradictions.md).

CREATE TABLE user_profiles (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id          bigint NOT NULL,
    username         varchar(50) NOT NULL,
    display_name     varchar(100),
    bio              text,
    avatar_url       varchar(500),
    location         varchar(100),
    website          varchar(200),
    birth_date       date,
    privacy_settings jsonb NOT NULL DEFAULT '{}',
    follower_count   bigint NOT NULL DEFAULT 0,
    following_count  bigint NOT NULL DEFAULT 0,
    post_count       bigint NOT NULL DEFAULT 0,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_profiles_user_id_key UNIQUE (user_id)
);
CREATE UNIQUE INDEX user_profiles_username_key ON user_profiles (lower(username) text_pattern_ops);

-- Registrations that were undone: a create that arrives late for one of them is refused, so that no name is taken by
-- nobody.
CREATE TABLE profile_tombstones (
    user_id    bigint PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE settings (
    user_id    bigint PRIMARY KEY REFERENCES user_profiles (user_id) ON DELETE CASCADE,
    locale     varchar(35) NOT NULL DEFAULT 'en',
    time_zone  varchar(64) NOT NULL DEFAULT 'UTC',
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Who relates to whom: `user_id` follows, asks, blocks or mutes `other_id`; a friendship is two rows.
CREATE TABLE connections (
    user_id    bigint NOT NULL,
    other_id   bigint NOT NULL,
    kind       varchar(10) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    PRIMARY KEY (user_id, other_id, kind),
    CONSTRAINT connections_kind CHECK (kind IN ('follow', 'friend', 'request', 'block', 'mute')),
    CONSTRAINT connections_not_self CHECK (user_id <> other_id)
);
CREATE INDEX connections_back ON connections (other_id, kind, user_id);
