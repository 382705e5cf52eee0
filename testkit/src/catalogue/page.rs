//! The table of attacks in Markdown, as `docs/threat-model.md` contains it.

use std::fmt::Write as _;

use super::table::{ATTACKS, Outcome, Row, Who};
use crate::double::member::Ceremony;

/// The line before the generated tables, and the line after them.
pub const MARKS: [&str; 2] = [
    "<!-- generated from testkit/src/catalogue/table.rs: begin -->",
    "<!-- generated from testkit/src/catalogue/table.rs: end -->",
];

pub fn markdown() -> String {
    let mut text = String::new();
    let titles = [
        (Ceremony::Dkg, "Key generation"),
        (Ceremony::Reshare, "In a reshare"),
        (Ceremony::Repair, "In a repair"),
        (Ceremony::Signing, "Signing"),
        (Ceremony::Log, "Statements, and too much of everything"),
    ];
    for (ceremony, title) in titles {
        let rows = ATTACKS.iter().filter(|row| row.attack.ceremony == ceremony);
        let _ = writeln!(text, "\n### {title}\n");
        let _ = writeln!(text, "| who | what it does | outcome | test |\n|---|---|---|---|");
        rows.for_each(|row| text.push_str(&line(row)));
    }
    text
}

fn line(row: &Row) -> String {
    let who = match row.who {
        Who::Member => "a member",
        Who::Dealer => "a dealer",
        Who::StayingDealer => "a dealer that stays",
        Who::Recipient => "a recipient",
        Who::Helper => "a helper",
        Who::NeededHelper => "a helper that is needed",
        Who::SpareHelper => "a helper that is not needed",
    };
    let outcome = match row.outcome {
        Outcome::Nothing => "no effect".to_owned(),
        Outcome::Refusal(why) => format!("not admitted: \"{}\"", why.replace('"', "'")),
        Outcome::Blame(did) => format!("blamed: \"{did}\""),
        Outcome::Dissent => "dissent".to_owned(),
        Outcome::Absence => "left out".to_owned(),
        Outcome::Spare => "spare".to_owned(),
    };
    format!("| {who} | {} | {outcome} | *{}* |\n", row.does, row.test)
}
