-- What people want to be told of, unless the notification actor knows better, and how.
ALTER TABLE settings
    ADD COLUMN notify_liked          boolean NOT NULL DEFAULT true,
    ADD COLUMN notify_commented      boolean NOT NULL DEFAULT true,
    ADD COLUMN notify_followed       boolean NOT NULL DEFAULT true,
    ADD COLUMN notify_mentioned      boolean NOT NULL DEFAULT true,
    ADD COLUMN notify_friend_request boolean NOT NULL DEFAULT true,
    ADD COLUMN notify_message        boolean NOT NULL DEFAULT true,
    ADD COLUMN notify_by_email       boolean NOT NULL DEFAULT false,
    ADD COLUMN notify_by_push        boolean NOT NULL DEFAULT true;
