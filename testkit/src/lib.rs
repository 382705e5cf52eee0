//! A whole IVN in one thread, with faults and invariants.
