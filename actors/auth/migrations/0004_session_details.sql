-- What its owner recognises a session by. device: a few words, made of the User-Agent; address: where it was refreshed last.
ALTER TABLE sessions ADD COLUMN device varchar(64);
ALTER TABLE sessions ADD COLUMN address varchar(45);
