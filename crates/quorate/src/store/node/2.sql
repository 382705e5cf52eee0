CREATE TABLE misbehaviour (position INTEGER PRIMARY KEY, proof TEXT NOT NULL UNIQUE) STRICT;

CREATE TRIGGER misbehaviour_stays BEFORE UPDATE ON misbehaviour
BEGIN SELECT RAISE(ABORT, 'proof-is-final'); END;

CREATE TRIGGER misbehaviour_remains BEFORE DELETE ON misbehaviour
BEGIN SELECT RAISE(ABORT, 'proof-is-final'); END;

INSERT INTO misbehaviour (proof)
SELECT json_object('version', 1, 'misbehaviour', json_object('fork', json_object(
    'older', ours, 'newer', theirs, 'contradiction', 'same-size'))) FROM frozen;

DROP TABLE frozen;

CREATE TABLE unexplained (note TEXT PRIMARY KEY NOT NULL) STRICT;

CREATE TABLE refused (request BLOB PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID;

CREATE TRIGGER refused_stays BEFORE DELETE ON refused
BEGIN SELECT RAISE(ABORT, 'refusal-is-final'); END;
