-- Grows with each change of the profile: who keeps a copy takes an event only if it is newer than what it has.
ALTER TABLE user_profiles ADD COLUMN version bigint NOT NULL DEFAULT 1;
