//! Complains about an innocent dealer or helper.

use rand_chacha::ChaCha20Rng;

use super::attack::{Round, Slip, Slips};
use super::sealing::Complainer;

/// Returns complaints about an innocent participant with this ephemeral key. `own_key` is the
/// accuser's.
pub(super) fn complaints(
    slips: &Slips,
    complainer: &Complainer<'_>,
    (innocent, ephemeral): (u16, &[u8; 32]),
    own_key: &[u8; 32],
    rng: &mut ChaCha20Rng,
) -> Option<Vec<Vec<u8>>> {
    let mut complaints = Vec::new();
    if slips.has_any(&[Slip::FalseComplaint, Slip::Twice(Round::Verdict)]) {
        complaints.push(complainer.complains(innocent, ephemeral, rng));
    }
    if slips.has(Slip::ForgedComplaint) {
        let mut complaint = complainer.complains(innocent, ephemeral, rng);
        // A different shared point, with the proof of the correct one.
        complaint.get_mut(2..34)?.copy_from_slice(own_key);
        complaints.push(complaint);
    }
    if slips.has(Slip::ComplaintAboutNobody) {
        complaints.push(complainer.complains(u16::MAX, ephemeral, rng));
    }
    if slips.has(Slip::ComplaintAboutItself) {
        complaints.push(complainer.complains(complainer.me, own_key, rng));
    }
    Some(complaints)
}
