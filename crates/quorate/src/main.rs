//! The Quorate binary.

fn main() {}
