-- status undoing: the registration is being given up, for ever; user.profile_undo may have been executed, so the account
-- can never become active. Its row goes when the profile is known to be gone.
ALTER TABLE users DROP CONSTRAINT users_status;
ALTER TABLE users ADD CONSTRAINT users_status CHECK (status IN ('pending', 'undoing', 'active'));
DROP INDEX users_pending;
CREATE INDEX users_unfinished ON users (created_at) WHERE status <> 'active';

-- A session that is refreshed for years keeps only the tokens that could still be used or seen again.
CREATE INDEX tokens_expired ON tokens (expires_at);
