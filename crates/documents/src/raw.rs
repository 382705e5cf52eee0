//! Raw Ed25519: the document is the message, the 64 bytes of the signature are the file.

pub(crate) fn to_be_signed(document: &[u8]) -> Vec<u8> {
    document.to_vec()
}

pub(crate) fn signature_file(signature: &[u8; 64]) -> Vec<u8> {
    signature.to_vec()
}
