//! The IVN on the wire: identities, join tokens, TLS hub and dialler.
