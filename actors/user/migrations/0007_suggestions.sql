-- Who is suggested to whom (docs/decisions/0024-social-graph.md).

-- Suggestions that were dismissed: at most 1,000 a user, the oldest go first.
CREATE TABLE suggestion_dismissals (
    user_id    bigint NOT NULL,
    other_id   bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, other_id)
);
CREATE INDEX suggestion_dismissals_oldest ON suggestion_dismissals (user_id, created_at, other_id);

-- The most followed, counted anew now and then: nobody who asks sorts all counters.
CREATE TABLE popular_people (
    user_id   bigint PRIMARY KEY,
    followers bigint NOT NULL
);
CREATE INDEX popular_people_most ON popular_people (followers DESC, user_id);
CREATE TABLE popular_people_state (
    id         integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    counted_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO popular_people_state DEFAULT VALUES;

-- What is known of the copy in Neo4j. It may be read while dirty = clean and it carries this stamp; `begun` is what dirty
-- was when the last rebuild began.
CREATE TABLE graph_copy (
    id    integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    dirty bigint NOT NULL DEFAULT 1,
    begun bigint NOT NULL DEFAULT 0,
    clean bigint NOT NULL DEFAULT 0,
    stamp text NOT NULL DEFAULT ''
);
INSERT INTO graph_copy DEFAULT VALUES;
