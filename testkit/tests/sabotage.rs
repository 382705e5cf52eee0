//! Proves that the checks can fail: each test breaks the system on purpose and expects the
//! violation of an invariant.

use quorate_testkit::invariants::Invariant;
use quorate_testkit::{Failure, Faults, PlannedChange, Sabotage, Scenario, Simulation};

/// Returns the invariant that a sabotage breaks, in a scenario that breaks none without it.
fn broken_by(sabotage: Sabotage, scenario: &Scenario) -> Result<Option<Invariant>, Failure> {
    Simulation::new(scenario.clone(), 1)?.run()?;
    let broken = Simulation::new(scenario.clone(), 1)?.with(sabotage).run();
    Ok(broken.err().map(|failure| failure.violation.invariant))
}

macro_rules! breaks {
    ($($name:ident: $sabotage:ident breaks $invariant:ident)*) => {
        $(
            #[test]
            fn $name() {
                let broken = broken_by(Sabotage::$sabotage, &Scenario::calm(2, 3)).unwrap();
                assert_eq!(broken, Some(Invariant::$invariant));
            }
        )*
    };
}

breaks! {
    a_second_share_of_a_nonce_pair_is_seen: SecondShare breaks S1
    a_share_that_leaves_before_it_is_on_disk_is_seen: ForgetReleased breaks S1
    a_share_without_a_cosignature_is_seen: NoCosignature breaks S2
    a_share_with_a_cosignature_from_before_the_request_is_seen: OldCosignature breaks S2
    a_wrong_signature_in_the_log_is_seen: WrongSignature breaks S2
    a_cosignature_of_another_tree_is_seen: CosignOther breaks S3
    a_share_of_the_key_that_leaves_its_node_is_seen: LeakShare breaks S4
    a_certified_share_that_is_not_on_disk_is_seen: ForgetPackage breaks S6
    an_innocent_member_that_is_blamed_is_seen: Rubbish breaks S6
    signing_that_never_completes_is_seen: LosePackages breaks L1
    a_node_that_writes_after_it_has_sent_is_seen: PersistLate breaks OneLog
    a_node_that_cosigns_what_it_has_not_stored_is_seen: ForgetEntries breaks OneLog
    a_node_that_stores_another_log_is_seen: RewriteLog breaks OneLog
    a_node_whose_state_is_not_on_its_disk_is_seen: ForgetLog breaks OneFold
    a_statement_that_is_sent_before_it_is_stored_is_seen: ForgetStatements breaks Outbox
    a_statement_that_is_forgotten_is_seen: DropStatements breaks Outbox
}

#[test]
fn destroying_an_old_share_before_the_new_one_is_in_use_is_seen() {
    let change = PlannedChange { at: 0, min_signers: 2, members: vec![0, 1, 2], repairs: None };
    let scenario = Scenario { changes: vec![change], ..Scenario::calm(2, 3) };
    assert_eq!(broken_by(Sabotage::DestroyEarly, &scenario).unwrap(), Some(Invariant::S7));
}

#[test]
fn a_share_of_a_retired_group_that_is_kept_is_seen() {
    let scenario = Scenario { retires_at: Some(1_000), ..Scenario::calm(2, 3) };
    assert_eq!(broken_by(Sabotage::KeepShares, &scenario).unwrap(), Some(Invariant::L2));
}

#[test]
fn a_node_that_can_not_restart_by_itself_is_seen() {
    let faults = Faults { node_crash: 50, downtime: 100, heal: 5_000, ..Faults::none() };
    let scenario = Scenario { faults, ..Scenario::calm(2, 3) };
    assert_eq!(broken_by(Sabotage::DamageDisk, &scenario).unwrap(), Some(Invariant::L2));
}
