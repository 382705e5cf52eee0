//! The distributed system as deterministic state machines.
