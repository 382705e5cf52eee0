//! Groups as signers for programs that speak to SSH's tools: `quorate ssh-sign` and
//! `quorate ssh-agent`.

mod agent;
mod keygen;
mod sign;

use quorate_documents::{Output, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::api::{GroupStage, GroupView, RequestStage, RequestView};

pub(super) use self::agent::SshAgent;
pub(super) use self::sign::SshSign;

/// Returns the group with this key. A group that still signs comes before a retired one.
fn group_with(key: &VerifyingKey, groups: Vec<GroupView>) -> Option<GroupView> {
    let mut with_key: Vec<GroupView> =
        groups.into_iter().filter(|group| has_key(group.verifying_key.as_deref(), key)).collect();
    with_key.sort_by_key(|group| group.state == GroupStage::Retired);
    with_key.into_iter().next()
}

fn has_key(hex: Option<&str>, key: &VerifyingKey) -> bool {
    hex.and_then(VerifyingKey::from_hex).as_ref() == Some(key)
}

/// Returns the request that already asks for this output of this document: the signed one, or else
/// the newest that can still be signed.
pub(super) fn asked_before(
    requests: Vec<RequestView>,
    group: &GroupView,
    output: &Output,
    document: &[u8],
) -> Option<RequestView> {
    let sha256 = hex::encode(Sha256::digest(document));
    let is_same_output = |request: &RequestView| {
        let asked = request.output.parse::<Output>();
        // The times of an OpenPGP signature do not matter.
        asked.is_ok_and(|asked| asked.without_options() == output.without_options())
    };
    let is_same = |request: &RequestView| {
        request.group == group.name
            && is_same_output(request)
            && request.verifying_key == group.verifying_key
            && request.file_sha256.as_ref() == Some(&sha256)
    };
    let rank = |state: &RequestStage| match state {
        RequestStage::Signed => 2,
        RequestStage::Approved | RequestStage::Open => 1,
        _ => 0,
    };
    let same = requests.into_iter().filter(|request| is_same(request) && rank(&request.state) > 0);
    same.max_by_key(|request| (rank(&request.state), request.index))
}
