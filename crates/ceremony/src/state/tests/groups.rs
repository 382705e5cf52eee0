//! Definitions and acceptances.

use crate::entry::{AbortReason, Body, GroupDefinition};
use crate::names::{AccountName, EntryId};
use crate::policy::{Policy, Rule};
use crate::state::refusal::{Accounts, Entries, Groups};
use crate::state::{Event, Refusal};
use crate::test_world::{TestLog, board, name, refused, session};

fn refusal_of(change: impl Fn(&mut GroupDefinition)) -> Refusal {
    let mut log = TestLog::peopled();
    let mut definition = log.board_of_three();
    change(&mut definition);
    log.says("ada", Body::GroupDefined(definition)).unwrap_err()
}

#[test]
fn only_an_admin_defines_groups() {
    let mut log = TestLog::peopled();
    let definition = Body::GroupDefined(log.board_of_three());
    assert_eq!(log.says("ben", definition), refused(Accounts::NotAdmin { account: name("ben") }));
}

#[test]
fn members_are_different_accounts_with_the_member_role() {
    let twice = refusal_of(|definition| definition.members[2] = name("ben"));
    assert_eq!(twice, Refusal::Groups(Groups::MemberTwice { account: name("ben") }));
    let stranger = refusal_of(|definition| definition.members[2] = name("eve"));
    assert_eq!(stranger, Refusal::Accounts(Accounts::UnknownAccount { account: name("eve") }));
    let requester = refusal_of(|definition| definition.members[2] = name("out"));
    assert_eq!(requester, Refusal::Groups(Groups::MemberRole { account: name("out") }));
}

#[test]
fn min_signers_is_two_to_the_number_of_members() {
    for min_signers in [0, 1, 4] {
        let invalid = refusal_of(|definition| definition.min_signers = min_signers);
        assert_eq!(invalid, Refusal::Groups(Groups::MinSigners { min_signers, members: 3 }));
    }
}

#[test]
fn a_group_that_could_never_log_a_signature_is_not_defined() {
    let mut log = TestLog::peopled();
    let mut definition = log.board_of_three();
    let most = crate::state::MOST_SIGNERS;
    for number in 0..=most {
        let account = format!("m{number}");
        log.invite(&account, crate::entry::Role::Member);
        log.join(&account).unwrap();
        definition.members.push(name(&account));
    }
    definition.min_signers = most + 1;
    definition.policy = Policy::for_min_signers(most + 1);
    let result = log.says("ada", Body::GroupDefined(definition.clone()));
    assert_eq!(result, refused(Groups::TooManySigners { min_signers: most + 1, most }));
    definition.min_signers = most;
    definition.policy = Policy::for_min_signers(most);
    assert!(log.says("ada", Body::GroupDefined(definition)).is_ok());
}

#[test]
fn approvals_required_is_min_signers_to_those_who_may_approve() {
    for approvals_required in [1, 4] {
        let invalid =
            refusal_of(|definition| definition.policy.rule.approvals_required = approvals_required);
        assert_eq!(
            invalid,
            Refusal::Groups(Groups::ApprovalsRequired { approvals_required, least: 2, most: 3 })
        );
    }
    let invalid = refusal_of(|definition| {
        let rule = Rule::for_min_signers(2);
        definition.policy =
            Policy::from(Rule { approvals_required: 3, requester_may_approve: false, ..rule });
    });
    assert_eq!(
        invalid,
        Refusal::Groups(Groups::ApprovalsRequired { approvals_required: 3, least: 2, most: 2 })
    );
}

#[test]
fn a_policy_lets_requests_live_for_some_time() {
    let invalid = refusal_of(|definition| definition.policy.rule.expiry = 0);
    assert_eq!(invalid, Refusal::Groups(Groups::PolicyExpiry));
}

#[test]
fn a_group_signs_in_1_to_16_formats() {
    let most = crate::policy::MOST_FORMATS;
    for formats in [0, most + 1] {
        let invalid = refusal_of(|definition| {
            let numbered = (0..formats).map(|number| format!("ssh:{number}").parse().unwrap());
            definition.policy.formats = numbered.collect();
        });
        assert_eq!(invalid, Refusal::Groups(Groups::Formats { formats, most }));
    }
}

#[test]
fn documents_are_kept_for_an_hour_at_least() {
    let after = |after| {
        refusal_of(move |definition| definition.policy.delete_documents_after = Some(after))
    };
    assert_eq!(after(3_599_999), Refusal::Groups(Groups::DeleteDocumentsAfter));
}

#[test]
fn only_members_accept_and_each_once() {
    let mut log = TestLog::peopled();
    let group = board();
    let nothing = Body::GroupAccepted { group: group.clone(), definition: EntryId::new([0; 32]) };
    assert_eq!(log.says("ben", nothing), refused(Groups::UnknownGroup { group: group.clone() }));
    log.define(log.board_of_three());
    assert_eq!(
        log.accept("out"),
        refused(Groups::NotAMember { account: name("out"), group: group.clone() })
    );
    assert_eq!(log.accept("ben"), Ok(vec![Event::GroupAccepted(group)]));
    assert_eq!(log.accept("ben"), refused(Entries::AlreadySaid { account: name("ben") }));
}

#[test]
fn accepting_a_replaced_definition_does_not_accept_the_next() {
    let mut log = TestLog::peopled();
    let first = log.entry("ada", Body::GroupDefined(log.board_of_three()));
    log.enter(&first).unwrap();
    let consent = log.entry("ben", Body::GroupAccepted { group: board(), definition: first.id() });
    log.enter(&consent).unwrap();
    log.wait(1);
    log.define(GroupDefinition {
        min_signers: 3,
        policy: Policy::for_min_signers(3),
        ..log.board_of_three()
    });
    assert_eq!(log.state.group(&board()).unwrap().not_accepted().count(), 3);
    assert_eq!(log.enter(&consent), refused(Groups::DefinitionChanged { group: board() }));
}

#[test]
fn repeating_a_replaced_definition_does_not_bring_it_back() {
    let mut log = TestLog::peopled();
    let first = log.entry("ada", Body::GroupDefined(log.board_of_three()));
    log.enter(&first).unwrap();
    log.wait(1);
    log.define(GroupDefinition {
        min_signers: 3,
        policy: Policy::for_min_signers(3),
        ..log.board_of_three()
    });
    assert_eq!(log.enter(&first), refused(Entries::AlreadySaid { account: name("ada") }));
}

#[test]
fn of_two_simultaneous_definitions_the_second_counts() {
    let mut log = TestLog::peopled();
    log.define(log.board_of_three());
    log.define(GroupDefinition {
        min_signers: 3,
        policy: Policy::for_min_signers(3),
        ..log.board_of_three()
    });
    assert_eq!(log.state.group(&board()).unwrap().definition.min_signers, 3);
}

#[test]
fn a_definition_that_was_held_back_does_not_replace_a_later_one() {
    let mut log = TestLog::peopled();
    let held_back = log.entry("ada", Body::GroupDefined(log.board_of_three()));
    log.wait(1);
    log.define(GroupDefinition {
        min_signers: 3,
        policy: Policy::for_min_signers(3),
        ..log.board_of_three()
    });
    assert_eq!(log.enter(&held_back), refused(Entries::Outdated { name: "board".to_owned() }));
}

#[test]
fn a_group_with_a_session_or_a_key_is_not_redefined() {
    let exists = refused(Groups::GroupExists { group: board() });
    let mut log = TestLog::grouped();
    log.begin(session(1), 1).unwrap();
    log.wait(1);
    assert_eq!(log.says("ada", Body::GroupDefined(log.board_of_three())), exists);
    let mut log = TestLog::keyed();
    log.wait(1);
    assert_eq!(log.says("ada", Body::GroupDefined(log.board_of_three())), exists);
}

#[test]
fn after_a_session_failed_the_group_can_be_redefined() {
    let mut log = TestLog::grouped();
    log.begin(session(1), 1).unwrap();
    let cancelled = Body::CeremonyAborted { session: session(1), reason: AbortReason::Cancelled };
    log.says("ada", cancelled).unwrap();
    log.wait(1);
    log.define(log.board_of_three());
    let group = log.state.group(&board()).unwrap();
    assert!(group.accepted.is_empty() && group.past.is_empty());
}

#[test]
fn identifiers_follow_the_order_of_the_definition() {
    let log = TestLog::grouped();
    let group = log.state.group(&board()).unwrap();
    let numbers: Vec<u16> = group
        .definition
        .members
        .iter()
        .map(|member| group.identifier(member).unwrap().get())
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(group.identifier(&"out".parse::<AccountName>().unwrap()), None);
}
