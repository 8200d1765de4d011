-- Follow requests, and what keeps relations exact under concurrency (docs/decisions/0022-relations.md).

ALTER TABLE connections ALTER COLUMN kind TYPE varchar(16);
ALTER TABLE connections DROP CONSTRAINT connections_kind;
ALTER TABLE connections ADD CONSTRAINT connections_kind
    CHECK (kind IN ('follow', 'follow_request', 'friend', 'request', 'block', 'mute'));

-- Numbers the changes of a pair: taken while the pair is locked, so it grows for each pair.
CREATE SEQUENCE connection_versions;

-- How many follow, are followed and are friends: the sum of a user's rows. A writer takes a row that nobody has locked, or
-- makes another: so there are as many as ever wrote at a time, and nobody waits for one who follows the same person.
CREATE TABLE connection_counts (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id   bigint NOT NULL,
    followers bigint NOT NULL DEFAULT 0,
    following bigint NOT NULL DEFAULT 0,
    friends   bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE INDEX connection_counts_user ON connection_counts (user_id, id);

CREATE FUNCTION connection_count_add(whose bigint, more_followers bigint, more_following bigint, more_friends bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE connection_counts
       SET followers = followers + more_followers, following = following + more_following, friends = friends + more_friends
     WHERE id = (SELECT id FROM connection_counts WHERE user_id = whose ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED);
    IF NOT FOUND THEN
        INSERT INTO connection_counts (user_id, followers, following, friends)
        VALUES (whose, more_followers, more_following, more_friends);
    END IF;
END $$;

-- What was there before is counted; user_profiles.follower_count and .following_count are not read any more.
INSERT INTO connection_counts (user_id, followers, following, friends)
SELECT user_id, sum(followers), sum(following), sum(friends) FROM (
    SELECT user_id, 0 AS followers, (kind = 'follow')::int AS following, (kind = 'friend')::int AS friends
      FROM connections WHERE kind IN ('follow', 'friend')
    UNION ALL
    SELECT other_id, 1, 0, 0 FROM connections WHERE kind = 'follow'
) each_end GROUP BY user_id;
