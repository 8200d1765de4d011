-- Search (docs/decisions/0026-search.md). All indexes are on expressions: no row is written, but each CREATE INDEX holds up
-- writers while it reads the table. On a large table build them beforehand by hand, by the statements below with CREATE
-- INDEX CONCURRENTLY after the functions and extensions: what is there already is passed over here.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- How texts are compared: compatibility forms and case folded, marks of Latin, Greek and Cyrillic dropped. Not unaccent(),
-- which is not immutable: an index on it is wrong as soon as its rules file changes.
CREATE OR REPLACE FUNCTION user_search_fold(what text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT normalize(lower(regexp_replace(normalize(what, NFKD), U&'[\0300-\036F]', '', 'g') COLLATE "und-x-icu"), NFKC)
$$;
-- The same, in words: the parser would take "ada.lovelace" for a host and "a/b" for a file.
CREATE OR REPLACE FUNCTION user_search_words(what text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT translate(user_search_fold(what), '._-/@:\''"&|!()<>*%+=?#', '                     ')
$$;

CREATE INDEX IF NOT EXISTS user_profiles_search_name
    ON user_profiles (user_search_fold(display_name) text_pattern_ops);
CREATE INDEX IF NOT EXISTS user_profiles_search_text ON user_profiles USING gin (to_tsvector('pg_catalog.simple',
    user_search_words(username || ' ' || coalesce(display_name, '') || ' ' || coalesce(bio, ''))));
CREATE INDEX IF NOT EXISTS user_profiles_search_similar ON user_profiles USING gin (
    user_search_words(username || ' ' || coalesce(display_name, '')) gin_trgm_ops);

-- What a search finds besides prefixes, for at most `most` people: words of names and bio; then, if `similar`, names that
-- are alike. `match`: 0 username, 1 display name, 2 bio, 3 alike; `alike` from 0 to 1. The caller sets
-- statement_timeout: when it strikes, the rows so far are there, and one whose user_id is NULL.
CREATE FUNCTION user_search_more(q text, most integer, few integer) RETURNS TABLE (user_id bigint, match integer, alike real)
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET pg_trgm.word_similarity_threshold = 0.45 AS $$
DECLARE
    plain text := user_search_words(q);
    words tsquery := (nullif(plainto_tsquery('pg_catalog.simple', plain)::text, '') || ':*')::tsquery;
    found integer := 0;
BEGIN
    IF words IS NOT NULL THEN
        RETURN QUERY
        SELECT p.user_id, CASE WHEN to_tsvector('pg_catalog.simple', user_search_words(p.username)) @@ words THEN 0
                               WHEN to_tsvector('pg_catalog.simple', user_search_words(p.display_name)) @@ words THEN 1
                               ELSE 2 END, 0::real
          FROM user_profiles p
         WHERE to_tsvector('pg_catalog.simple', user_search_words(p.username || ' ' || coalesce(p.display_name, '') || ' '
                           || coalesce(p.bio, ''))) @@ words AND NOT p.hidden
         LIMIT most;
        GET DIAGNOSTICS found = ROW_COUNT;
    END IF;
    IF found < few AND char_length(plain) >= 4 THEN
        RETURN QUERY
        SELECT c.user_id, 3, c.alike FROM (
            SELECT p.user_id, word_similarity(plain, user_search_words(p.username || ' ' || coalesce(p.display_name, ''))) AS alike
              FROM user_profiles p
             WHERE plain <% user_search_words(p.username || ' ' || coalesce(p.display_name, '')) AND NOT p.hidden
             LIMIT 1000) c ORDER BY c.alike DESC, c.user_id LIMIT most - found;
    END IF;
EXCEPTION WHEN query_canceled THEN
    RETURN QUERY SELECT NULL::bigint, 0, 0::real;
END $$;
