//! The number of cosignatures that make an entry final.

/// Cosignatures that make a checkpoint final: `⌊(n + f) / 2⌋ + 1` with `f = min_signers − 1`.
///
/// Two checkpoints that both have that many cosignatures of the same `members` share more than `f`
/// cosigners, hence an honest one while at most `f` members collude with the log; an honest
/// cosigner never signs both sides of a fork. The result exceeds `members` only if `min_signers`
/// does.
pub fn cosignatures_for_final(members: usize, min_signers: usize) -> usize {
    let faulty = min_signers.saturating_sub(1);
    members.midpoint(faulty).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_quorums_share_an_honest_member() {
        for members in 1..=100usize {
            for min_signers in 1..=members {
                let quorum = cosignatures_for_final(members, min_signers);
                assert!(quorum <= members);
                assert!(2 * quorum - members > min_signers - 1, "{min_signers} of {members}");
            }
        }
    }

    #[test]
    fn quorums_are_those_of_the_design() {
        for (members, min_signers, quorum) in [(3, 2, 3), (5, 3, 4), (7, 4, 6), (9, 5, 7)] {
            assert_eq!(cosignatures_for_final(members, min_signers), quorum);
        }
    }
}
