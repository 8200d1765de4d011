-- What its owner recognises a session by. device: a few words, made of the User-Agent; address: where it was refreshed last.
ALTER TABLE sessions ADD COLUMN device varchar(64);
ALTER TABLE sessions ADD COLUMN address varchar(45);
-- Where it is judged from (throttle.h): the address itself, or the /64 of IPv6.
ALTER TABLE sessions ADD COLUMN network varchar(45);
