//! Everything that reads what others wrote, as functions of bytes: one for each decoder and each
//! state machine.
//!
//! Each [`Target`] runs in two ways: under libFuzzer (`fuzz_targets/`), which looks for inputs that
//! reach new code, and as an ordinary test (`crates/quorate/tests/bytes`), with the committed
//! corpus and a few changes of it. A target panics when something does not hold, so whatever it
//! asserts is looked for as much as crashes are:
//!
//! - what a decoder accepts, it writes back byte for byte where the format has one spelling, and to
//!   an equal value where it has several;
//! - a state machine that refuses an input is as it was before; what it wants persisted and
//!   appended can be read back by a new process; it never uses a session twice.

pub mod documents;
pub mod files;
pub mod json;
pub mod keyshare;
pub mod log;
pub mod machines;
pub mod network;
pub mod protocol;
pub mod repair;
pub mod script;
pub mod sessions;
pub mod state;
pub mod story;

use std::sync::OnceLock;

use story::Story;

/// Something that takes any bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, also of its directory in `corpus/`.
    pub name: &'static str,
    /// Takes bytes, and says whether anything in them was accepted.
    ///
    /// # Panics
    ///
    /// If something does not hold that should.
    pub run: fn(&[u8]) -> bool,
    /// Inputs that are accepted: where a fuzzer begins.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// How many changed inputs an ordinary test run tries.
    pub tries: usize,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "audit", run: state::audit, seeds: state::audit_seeds, tries: 10 },
    Target {
        name: "coordinator",
        run: machines::coordinator,
        seeds: machines::coordinator_seeds,
        tries: 20,
    },
    Target { name: "csr", run: network::csr, seeds: network::csr_seeds, tries: 200 },
    Target { name: "documents", run: documents::run, seeds: documents::seeds, tries: 1000 },
    Target { name: "entry", run: json::entry, seeds: json::entry_seeds, tries: 1000 },
    Target { name: "fold", run: state::fold, seeds: state::fold_seeds, tries: 100 },
    Target { name: "home", run: files::home, seeds: files::home_seeds, tries: 50 },
    Target { name: "keys", run: files::keys, seeds: files::keys_seeds, tries: 50 },
    Target { name: "keyshare", run: keyshare::run, seeds: keyshare::seeds, tries: 20 },
    Target { name: "links", run: network::links, seeds: network::links_seeds, tries: 1000 },
    Target { name: "log_text", run: log::text, seeds: log::text_seeds, tries: 1000 },
    Target { name: "messages", run: json::messages, seeds: json::messages_seeds, tries: 1000 },
    Target { name: "node", run: machines::node, seeds: machines::node_seeds, tries: 20 },
    Target { name: "protocol", run: protocol::run, seeds: protocol::seeds, tries: 500 },
    Target { name: "repair", run: repair::run, seeds: repair::seeds, tries: 20 },
    Target { name: "reshare", run: keyshare::reshare, seeds: keyshare::reshare_seeds, tries: 20 },
    Target { name: "shares", run: protocol::shares, seeds: protocol::shares_seeds, tries: 100 },
    Target { name: "store", run: files::store, seeds: files::store_seeds, tries: 10 },
    Target { name: "tiles", run: log::tiles, seeds: log::tiles_seeds, tries: 200 },
];

/// Runs the target of this name.
///
/// # Panics
///
/// If there is none, or if something does not hold.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    (target.run)(bytes);
}

/// The [`Story`], told once.
pub fn story() -> &'static Story {
    static STORY: OnceLock<Story> = OnceLock::new();
    STORY.get_or_init(Story::tell)
}
