//! One test for each row of the table.

use std::collections::{BTreeMap, BTreeSet};

use quorate_testkit::Ceremony;
use quorate_testkit::catalogue::ATTACKS;

fn play(module: &str, test: &str) {
    let test = format!("{module}::{test}");
    let row = ATTACKS.iter().find(|row| row.test == test).unwrap();
    match row.attack.ceremony {
        Ceremony::Dkg | Ceremony::Signing | Ceremony::Log => crate::key::attack(row),
        Ceremony::Reshare => crate::reshare::attack(row),
        Ceremony::Repair => crate::repair::attack(row),
    }
}

macro_rules! tests {
    ($($module:ident: $ceremony:ident {
        $($test:ident: $slip:ident $(($kind:ident))? by $who:ident
            => $outcome:ident $(($text:literal))?, $does:literal;)*
    })*) => {
        $(mod $module {
            $(
                #[test]
                fn $test() {
                    super::play(stringify!($module), stringify!($test));
                }
            )*
        })*
    };
}

quorate_testkit::attacks!(tests);

/// Attacks are added to the table and never removed.
#[test]
fn the_table_has_all_attacks() {
    let mut attacks: BTreeMap<Ceremony, BTreeSet<_>> = BTreeMap::new();
    for row in ATTACKS {
        attacks.entry(row.attack.ceremony).or_default().insert(row.attack.slip);
    }
    let counts = attacks.into_iter().map(|(ceremony, slips)| (ceremony, slips.len()));
    let expected = [
        (Ceremony::Dkg, 28),
        (Ceremony::Reshare, 33),
        (Ceremony::Repair, 43),
        (Ceremony::Signing, 14),
        (Ceremony::Log, 7),
    ];
    assert_eq!(counts.collect::<Vec<_>>(), expected);
    let tests: BTreeSet<&str> = ATTACKS.iter().map(|row| row.test).collect();
    assert_eq!((ATTACKS.len(), tests.len()), (142, 142));
}
