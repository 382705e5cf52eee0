//! One small IVN for all tests: a log in a few lines ([`TestLog`]), disks, and shells that execute
//! effects. Unit tests, the simulator, doubles, fuzz targets and tests of audits use it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test may stop at the first surprise, and names say the rest"
)]

mod disk;
mod founding;
mod log;
mod rounds;
mod shell;
mod signing;
mod steps;

pub use disk::{CoordinatorDisk, NodeDisk};
pub use founding::{admission, genesis_entry, invitation};
pub use log::{
    HOUR, TestLog, board, checkpoint_of, cosigned, founding, genesis, name, refused, secrets,
    session, signed_checkpoint, some,
};
pub use shell::{CoordinatorShell, NodeShell, document_of, due, message_of};
pub use signing::{FIRST, play, share, start};
