//! Cryptographic protocols: one run, seen by one participant.
