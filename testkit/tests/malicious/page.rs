//! Checks that the threat model contains the current table of attacks.

use std::path::Path;

use quorate_testkit::catalogue::{MARKS, markdown};

/// If this variable is set, the test writes the page instead of comparing it.
const UPDATE: &str = "QUORATE_UPDATE_PAGES";

#[test]
fn the_threat_model_contains_the_table_of_attacks() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/threat-model.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(MARKS[0]).unwrap();
    let (_, after) = rest.split_once(MARKS[1]).unwrap();
    let expected = format!("{before}{}\n{}\n{}{after}", MARKS[0], markdown(), MARKS[1]);
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, expected).unwrap();
        return;
    }
    assert!(
        page == expected,
        "docs/threat-model.md is not current; write it with\n    \
         {UPDATE}=1 cargo nextest run -p quorate-testkit the_threat_model"
    );
}
