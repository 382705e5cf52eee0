//! Fuzz targets: functions of bytes, one for each decoder and each state machine that reads what
//! others wrote.
//!
//! Each [`Target`] runs in two ways: under libFuzzer (`fuzz_targets/`), which looks for inputs that
//! reach new code, and as an ordinary test (`crates/quorate/tests/bytes`), with the committed
//! corpus and a few changes of it. A target panics when an assertion fails, so the fuzzer looks for
//! failed assertions as well as crashes:
//!
//! - a decoder writes back what it accepts: byte for byte where the format has one spelling, and as
//!   an equal value where it has several;
//! - a state machine that rejects an input does not change; a new process can read back what it
//!   persisted and appended; it never uses a session twice.
#![expect(missing_docs, reason = "only tests use this crate, and most names say it")]

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

/// A function that takes any bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its directory in `corpus/`.
    pub name: &'static str,
    /// Takes bytes, and returns whether it accepted anything in them.
    pub run: fn(&[u8]) -> bool,
    /// Returns accepted inputs, with which a fuzzer begins.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// How many changed inputs an ordinary test run tries.
    pub tries: usize,
}

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

pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    (target.run)(bytes);
}

/// Returns the [`Story`], which is played once.
pub fn story() -> &'static Story {
    static STORY: OnceLock<Story> = OnceLock::new();
    STORY.get_or_init(Story::tell)
}
