-- People who are suspended or have deactivated their account: nobody finds them, and all that they had comes back with
-- them. A copy of what auth knows, kept by its events: of two the one with the higher version wins.
ALTER TABLE user_profiles
    ADD COLUMN hidden         boolean NOT NULL DEFAULT false,
    ADD COLUMN hidden_version bigint NOT NULL DEFAULT 0;
