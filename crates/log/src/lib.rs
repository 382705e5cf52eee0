//! The transparency log of an IVN, in C2SP formats.
