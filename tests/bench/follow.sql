-- The transaction of user.follow (actors/user/relation.c, actors/kit/emit.c), for pgbench: what PostgreSQL alone does of it. The
-- event's row goes into a table like the outbox, which no relay reads.
\set me random(1, 64) * 32
\set other :first + random(1, :people) * 32
BEGIN;
SELECT pg_advisory_xact_lock(7307, hashtext(least(:other::bigint, :me::bigint) || ':' || greatest(:other::bigint, :me::bigint)));
SELECT (SELECT coalesce(bit_or(CASE WHEN c.user_id = :me THEN CASE c.kind WHEN 'follow' THEN 1 WHEN 'friend' THEN 4 WHEN 'request' THEN 8 WHEN 'block' THEN 32 WHEN 'mute' THEN 128 WHEN 'follow_request' THEN 256 ELSE 0 END ELSE CASE c.kind WHEN 'follow' THEN 2 WHEN 'friend' THEN 4 WHEN 'request' THEN 16 WHEN 'block' THEN 64 WHEN 'follow_request' THEN 512 WHEN 'mute' THEN 1024 ELSE 0 END END), 0) FROM connections c WHERE ((c.user_id = :me AND c.other_id = :other) OR (c.user_id = :other AND c.other_id = :me)) AND (c.expires_at IS NULL OR c.expires_at > now())), nextval('connection_versions'), p.privacy_settings->>'birth_date', p.privacy_settings->>'location', p.privacy_settings->>'website', p.privacy_settings->>'followers', p.privacy_settings->>'friends', p.privacy_settings->>'mentions', p.privacy_settings->>'friend_requests', p.privacy_settings->>'private_account' FROM user_profiles p WHERE p.user_id = :other AND NOT p.hidden AND EXISTS (SELECT 1 FROM user_profiles m WHERE m.user_id = :me);
INSERT INTO connections (user_id, other_id, kind, expires_at) VALUES (:me, :other, 'follow', NULL) ON CONFLICT (user_id, other_id, kind) DO UPDATE SET created_at = now(), expires_at = excluded.expires_at;
SELECT connection_count_add(:me, 0, 1, 0);
SELECT connection_count_add(:other, 1, 0, 0);
INSERT INTO bench_outbox (event_id, subject, key, body, user_id, level, session, traceparent, not_before) VALUES ('\x000102030405060708090a0b0c0d0e0f', 'user.followed', '4096:8192', '\x84a470616972a9343039363a38313932a7757365725f6964cd1000a86f746865725f6964cd2000a776657273696f6e01', :me, 1, '1f3b5d7f9a0c2e4061829304a5b6c7d8', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', 0);
COMMIT;
