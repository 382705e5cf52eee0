CREATE TABLE entries (position INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;

CREATE TRIGGER entries_follow BEFORE INSERT ON entries
WHEN NEW.position <> (SELECT coalesce(max(position) + 1, 0) FROM entries)
BEGIN SELECT RAISE(ABORT, 'entry-out-of-order'); END;

CREATE TRIGGER entries_stay BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'entry-is-final'); END;

-- Has a row only within the transaction that gives the node the history of a new coordinator.
CREATE TABLE replacing (only INTEGER PRIMARY KEY CHECK (only = 1)) STRICT;

CREATE TRIGGER entries_remain BEFORE DELETE ON entries
WHEN NOT EXISTS (SELECT 1 FROM replacing)
BEGIN SELECT RAISE(ABORT, 'entry-is-final'); END;

CREATE TABLE cosigned (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    note TEXT NOT NULL
) STRICT;

CREATE TRIGGER cosigned_grows BEFORE UPDATE ON cosigned
WHEN NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root)
BEGIN SELECT RAISE(ABORT, 'checkpoint-went-back'); END;

CREATE TABLE misbehaviour (position INTEGER PRIMARY KEY, proof TEXT NOT NULL UNIQUE) STRICT;

CREATE TRIGGER misbehaviour_stays BEFORE UPDATE ON misbehaviour
BEGIN SELECT RAISE(ABORT, 'proof-is-final'); END;

CREATE TRIGGER misbehaviour_remains BEFORE DELETE ON misbehaviour
WHEN NOT EXISTS (SELECT 1 FROM replacing)
BEGIN SELECT RAISE(ABORT, 'proof-is-final'); END;

CREATE TABLE unexplained (note TEXT PRIMARY KEY NOT NULL) STRICT;

CREATE TABLE refused (request BLOB PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID;

CREATE TRIGGER refused_stays BEFORE DELETE ON refused
BEGIN SELECT RAISE(ABORT, 'refusal-is-final'); END;

CREATE TABLE outbox (position INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, bytes BLOB NOT NULL) STRICT;

CREATE TABLE key_packages (session BLOB PRIMARY KEY NOT NULL, sealed BLOB NOT NULL) STRICT;

CREATE TRIGGER key_packages_stay BEFORE INSERT ON key_packages
WHEN EXISTS (SELECT 1 FROM key_packages WHERE session = NEW.session)
BEGIN SELECT RAISE(ABORT, 'key-package-exists'); END;

CREATE TABLE committed (session BLOB PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID;

CREATE TRIGGER committed_once BEFORE INSERT ON committed
WHEN EXISTS (SELECT 1 FROM committed WHERE session = NEW.session)
BEGIN SELECT RAISE(ABORT, 'already-committed'); END;

CREATE TABLE released (session BLOB PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID;

CREATE TRIGGER released_after_commitment BEFORE INSERT ON released
WHEN NOT EXISTS (SELECT 1 FROM committed WHERE session = NEW.session)
BEGIN SELECT RAISE(ABORT, 'never-committed'); END;

CREATE TRIGGER released_once BEFORE INSERT ON released
WHEN EXISTS (SELECT 1 FROM released WHERE session = NEW.session)
BEGIN SELECT RAISE(ABORT, 'already-released'); END;
