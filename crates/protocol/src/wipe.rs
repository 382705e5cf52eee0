//! Wipes values whose own `zeroize` the optimiser may remove.

use std::hint::black_box;
use std::sync::atomic::{Ordering, compiler_fence};

use zeroize::Zeroize;

/// Overwrites a secret that is about to be dropped.
///
/// frost-core implements `Zeroize` by assigning zero. The compiler removes an assignment that
/// nobody reads afterwards in release builds, together with the wiping on drop that is derived from
/// it. Here the value counts as read after the assignment.
pub(crate) fn wipe<T: Zeroize>(secret: &mut T) {
    secret.zeroize();
    black_box(secret);
    compiler_fence(Ordering::SeqCst);
}

#[cfg(test)]
mod tests {
    use super::wipe;

    #[test]
    fn nothing_is_left_of_what_is_wiped() {
        let mut secret = [7_u8; 32];
        wipe(&mut secret);
        assert_eq!(secret, [0; 32]);
    }
}
