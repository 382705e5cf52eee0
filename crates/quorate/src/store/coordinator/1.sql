CREATE TABLE entries (position INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;

CREATE TRIGGER entries_follow BEFORE INSERT ON entries
WHEN NEW.position <> (SELECT coalesce(max(position) + 1, 0) FROM entries)
BEGIN SELECT RAISE(ABORT, 'entry-out-of-order'); END;

CREATE TRIGGER entries_stay BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'entry-is-final'); END;

CREATE TRIGGER entries_remain BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'entry-is-final'); END;

CREATE TABLE checkpoint (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    note TEXT NOT NULL
) STRICT;

CREATE TRIGGER checkpoint_grows BEFORE UPDATE ON checkpoint
WHEN NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root)
BEGIN SELECT RAISE(ABORT, 'checkpoint-went-back'); END;

CREATE TABLE cosignatures (account TEXT PRIMARY KEY NOT NULL, size INTEGER NOT NULL, line TEXT NOT NULL) STRICT;

-- A checkpoint that the log has to reach before anything of its own is appended.
CREATE TABLE required (only INTEGER PRIMARY KEY CHECK (only = 1), note TEXT NOT NULL) STRICT;

-- The machine and file in which the log was last compared with the nodes' logs.
CREATE TABLE place (only INTEGER PRIMARY KEY CHECK (only = 1), machine TEXT NOT NULL, file INTEGER NOT NULL) STRICT;
