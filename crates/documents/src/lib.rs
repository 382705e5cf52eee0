//! What bytes to sign for a document, and how to finish it.
