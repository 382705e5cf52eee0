//! Genesis, authors, invitations, admissions.

use std::collections::BTreeSet;

use crate::dsse::EntryError;
use crate::entry::{Author, Body, Entry, Genesis, Role, Statement};
use crate::identity::{AccountKeys, SecretKey};
use crate::names::{Digest, IvnId};
use crate::state::refusal::{Accounts, Entries};
use crate::state::{Event, IvnState, Refusal};
use crate::test_world::{HOUR, TestLog, founding, genesis, name, refused, secrets};

#[test]
fn a_log_begins_with_a_genesis_and_has_no_other() {
    let mut log = TestLog::founded();
    let started = Body::NodeStarted { incarnation: Digest::new([0; 32]) };
    assert_eq!(
        IvnState::found(&log.entry("ada", started)).unwrap_err(),
        Refusal::Entries(Entries::NotGenesis)
    );
    assert_eq!(log.says("ada", Body::Genesis(genesis())), refused(Entries::WrongAuthor));
    assert_eq!(log.coordinator_says(Body::Genesis(genesis())), refused(Entries::WrongAuthor));
}

#[test]
fn a_genesis_is_signed_by_its_admin_and_its_coordinator() {
    let other = Genesis { coordinator_key: SecretKey::from_seed(&[77; 32]).public(), ..genesis() };
    assert_eq!(
        IvnState::found(&founding(other)).unwrap_err(),
        Refusal::Entries(Entries::Signature)
    );
    let other = Genesis { admin: secrets("eve").public(), ..genesis() };
    assert_eq!(
        IvnState::found(&founding(other)).unwrap_err(),
        Refusal::Entries(Entries::Signature)
    );
}

#[test]
fn the_id_of_an_ivn_is_the_hash_of_its_genesis() {
    let one = IvnState::found(&founding(genesis())).unwrap();
    let other = Genesis { nonce: Digest::new([5; 32]), ..genesis() };
    assert_ne!(one.ivn(), IvnState::found(&founding(other)).unwrap().ivn());
    assert_eq!(one.origin(), format!("example.org/ivn/{}", one.ivn()));
}

#[test]
fn a_deployment_that_cannot_be_an_origin_is_rejected() {
    for deployment in ["", "two words", "a+b", "line\nbreak", "ä.org", &"x".repeat(121)] {
        let bad = Genesis { deployment: deployment.to_owned(), ..genesis() };
        assert_eq!(
            IvnState::found(&founding(bad)).unwrap_err(),
            Refusal::Entries(Entries::Deployment),
            "{deployment:?}"
        );
    }
    let longest = Genesis { deployment: "x".repeat(120), ..genesis() };
    assert!(IvnState::found(&founding(longest)).is_ok());
}

#[test]
fn somebody_must_be_admin_from_the_beginning() {
    let nobody = Genesis { roles: BTreeSet::from([Role::Member]), ..genesis() };
    let invalid = IvnState::found(&founding(nobody)).unwrap_err();
    assert_eq!(invalid, Refusal::Accounts(Accounts::NotAdmin { account: name("ada") }));
}

#[test]
fn an_entry_of_another_ivn_is_refused() {
    let mut log = TestLog::founded();
    for ivn in [None, Some(IvnId::new([0; 32]))] {
        let body = Body::NodeStarted { incarnation: Digest::new([0; 32]) };
        let statement = Statement { ivn, ..log.statement(Author::Account(name("ada")), body) };
        let entry = Entry::sign(statement, &[&secrets("ada").identity]).unwrap();
        assert_eq!(log.enter(&entry), refused(Entries::OtherIvn));
    }
}

#[test]
fn an_entry_counts_only_with_its_authors_signature() {
    let mut log = TestLog::peopled();
    let body = Body::NodeStarted { incarnation: Digest::new([0; 32]) };
    let statement = log.statement(Author::Account(name("ben")), body.clone());
    let forged = Entry::sign(statement, &[&secrets("cyd").identity]).unwrap();
    assert_eq!(log.enter(&forged), refused(Entries::Signature));
    let statement = log.statement(
        Author::Coordinator,
        Body::CeremonyAborted {
            session: crate::test_world::session(1),
            reason: crate::entry::AbortReason::Cancelled,
        },
    );
    let forged = Entry::sign(statement, &[&secrets("ada").identity]).unwrap();
    assert_eq!(log.enter(&forged), refused(Entries::Signature));
    let stranger = log.says("eve", body);
    assert_eq!(stranger, refused(Accounts::UnknownAccount { account: name("eve") }));
}

#[test]
fn the_coordinator_cannot_make_statements_of_accounts() {
    let mut log = TestLog::keyed();
    let request = log.requests("ada", log.request()).unwrap();
    let bodies = [
        Body::Invitation(log.invitation("eve", Role::Admin)),
        Body::AccountAdmitted { keys: secrets("eve").public() },
        Body::NodeStarted { incarnation: Digest::new([0; 32]) },
        Body::GroupDefined(log.board_of_three()),
        Body::Request(log.request()),
        Body::Approval { request },
        Body::Refusal { request, reason: "no".to_owned() },
    ];
    for body in bodies {
        assert_eq!(log.coordinator_says(body), refused(Entries::WrongAuthor));
    }
}

#[test]
fn an_account_cannot_make_statements_of_the_coordinator() {
    let mut log = TestLog::grouped();
    let session = crate::test_world::session(1);
    let signature = crate::encoding::Base64(vec![0; 64]);
    let bodies = [
        Body::CeremonyStarted { group: crate::test_world::board(), session, attempt: 1 },
        Body::EpochStarted { session, signature },
    ];
    for body in bodies {
        assert_eq!(log.says("ada", body), refused(Entries::WrongAuthor));
    }
}

#[test]
fn only_an_admin_invites() {
    let mut log = TestLog::peopled();
    let invitation = Body::Invitation(log.invitation("eve", Role::Admin));
    assert_eq!(log.says("ben", invitation), refused(Accounts::NotAdmin { account: name("ben") }));
}

#[test]
fn an_existing_account_cannot_be_invited_or_admitted_again() {
    let mut log = TestLog::peopled();
    log.wait(1);
    let exists = refused(Accounts::AccountExists { account: name("ben") });
    let invitation = Body::Invitation(log.invitation("ben", Role::Member));
    assert_eq!(log.says("ada", invitation), exists);
    assert_eq!(log.join("ben"), exists, "a token works once");
}

#[test]
fn an_invitation_admits_with_its_roles_and_is_used_up() {
    let mut log = TestLog::founded();
    log.invite("eve", Role::Auditor);
    assert_eq!(log.join("eve"), Ok(vec![Event::Admitted(name("eve"))]));
    let account = log.state.account(&name("eve")).unwrap();
    assert_eq!(account.roles, BTreeSet::from([Role::Auditor]));
    assert_eq!(log.state.invitations().len(), 0);
}

#[test]
fn checking_an_invitation_says_what_joining_would() {
    let mut log = TestLog::founded();
    let [eve, ben] = ["eve", "ben"].map(|name| TestLog::invitation_key(name).public());
    let check = |log: &TestLog, key| {
        log.state.check_invitation(&name("eve"), key, log.now).map(|()| Vec::<Event>::new())
    };
    assert_eq!(check(&log, eve), refused(Accounts::NotInvited));
    log.invite("eve", Role::Member);
    assert_eq!(check(&log, ben), refused(Accounts::NotInvited));
    assert_eq!(check(&log, eve), Ok(Vec::new()));
    log.join("eve").unwrap();
    let used = refused(Accounts::AccountExists { account: name("eve") });
    assert_eq!(check(&log, eve), used);
}

#[test]
fn without_an_invitation_nobody_joins() {
    let mut log = TestLog::founded();
    assert_eq!(log.join("eve"), refused(Accounts::NotInvited));
}

#[test]
fn a_token_admits_no_other_account_and_in_no_other_ivn() {
    let mut log = TestLog::founded();
    log.invite("ben", Role::Member);
    log.invite("cyd", Role::Member);
    let ivn = log.state.ivn();
    let token_of_ben = TestLog::invitation_key("ben");
    let entry = log.admission("cyd", &token_of_ben, ivn);
    assert_eq!(log.enter(&entry), refused(Accounts::NotInvited));
    let entry = log.admission("ben", &token_of_ben, IvnId::new([0; 32]));
    assert_eq!(log.enter(&entry), refused(Entries::OtherIvn));
}

#[test]
fn a_withdrawn_invitation_admits_nobody_and_a_new_one_does() {
    let mut log = TestLog::founded();
    assert_eq!(log.state.withdrawal(&name("ben"), log.now), refused(Accounts::NotInvited));
    log.invite("ben", Role::Member);
    let (invited, now) = (log.entries.last().unwrap().clone(), log.now);
    let withdrawal = log.state.withdrawal(&name("ben"), now).unwrap();
    assert!(withdrawal.is_withdrawal());
    log.says("ada", Body::Invitation(withdrawal)).unwrap();
    assert_eq!(log.state.open_invitations(now).count(), 0);
    assert_eq!(log.join("ben"), refused(Accounts::NotInvited));
    assert_eq!(log.state.withdrawal(&name("ben"), now), refused(Accounts::NotInvited));
    // The coordinator cannot restore it.
    let again = log.enter(&crate::entry::Entry::from_bytes(&invited).unwrap());
    assert_eq!(again, refused(Entries::AlreadySaid { account: name("ada") }));
    log.wait(1);
    log.admits("ben", Role::Member);
}

#[test]
fn withdrawing_a_replacement_of_keys_keeps_the_present_keys() {
    let mut log = TestLog::keyed();
    let present = log.state.account(&name("ben")).unwrap().clone();
    let open = crate::entry::Invitation {
        roles: present.roles.clone(),
        replaces: Some(present.keys.identity),
        ..log.invitation("ben", Role::Member)
    };
    log.says("ada", Body::Invitation(open)).unwrap();
    let withdrawal = log.state.withdrawal(&name("ben"), log.now).unwrap();
    let not_admin = refused(Accounts::NotAdmin { account: name("cyd") });
    assert_eq!(log.says("cyd", Body::Invitation(withdrawal.clone())), not_admin);
    log.says("ada", Body::Invitation(withdrawal)).unwrap();
    let token = TestLog::invitation_key("ben");
    let keys = secrets("new");
    let joins = crate::entry::Statement {
        body: Body::AccountAdmitted { keys: keys.public() },
        ..log.entry("ben", Body::AccountAdmitted { keys: keys.public() }).statement().clone()
    };
    let joins = crate::entry::Entry::sign(joins, &[&token, &keys.identity]).unwrap();
    assert_eq!(log.enter(&joins), refused(Accounts::NotInvited));
    assert_eq!(log.state.account(&name("ben")).unwrap(), &present);
}

#[test]
fn a_withdrawal_is_in_time_although_other_clocks_are_ahead() {
    let mut log = TestLog::peopled();
    log.invite("eve", Role::Member);
    let now = log.now;
    let withdrawal = log.state.withdrawal(&name("eve"), now).unwrap();
    // The largest lead that a coordinator accepts.
    log.wait(crate::state::clock::MAX_CLOCK_LEAD - 1);
    log.start_node("cyd", 1);
    log.now = now;
    log.says("ada", Body::Invitation(withdrawal)).unwrap();
    assert_eq!(log.join("eve"), refused(Accounts::NotInvited));
}

#[test]
fn a_second_invitation_replaces_the_first() {
    let mut log = TestLog::founded();
    log.invite("ben", Role::Member);
    let new = SecretKey::from_seed(&[55; 32]);
    let again =
        crate::entry::Invitation { key: new.public(), ..log.invitation("ben", Role::Member) };
    log.says("ada", Body::Invitation(again)).unwrap();
    assert_eq!(log.join("ben"), refused(Accounts::NotInvited));
    let entry = log.admission("ben", &new, log.state.ivn());
    assert!(log.enter(&entry).is_ok());
}

#[test]
fn repeating_a_replaced_invitation_does_not_bring_it_back() {
    let mut log = TestLog::founded();
    let first = log.entry("ada", Body::Invitation(log.invitation("ben", Role::Admin)));
    log.enter(&first).unwrap();
    log.wait(1);
    log.invite("ben", Role::Member);
    assert_eq!(log.enter(&first), refused(Entries::AlreadySaid { account: name("ada") }));
}

#[test]
fn an_invitation_logged_late_does_not_replace_a_later_one() {
    let mut log = TestLog::founded();
    let held_back = log.entry("ada", Body::Invitation(log.invitation("ben", Role::Admin)));
    log.wait(1);
    log.invite("ben", Role::Member);
    assert_eq!(log.enter(&held_back), refused(Entries::Outdated { name: "ben".to_owned() }));
}

#[test]
fn an_expired_invitation_admits_nobody() {
    let mut log = TestLog::founded();
    log.invite("ben", Role::Member);
    log.invite("eve", Role::Member);
    log.wait(HOUR);
    assert!(log.join("eve").is_ok(), "in its last millisecond");
    log.wait(1);
    assert_eq!(log.join("ben"), refused(Accounts::InvitationExpired));
    let late = log.invitation("cyd", Role::Member);
    log.wait(2 * HOUR);
    assert_eq!(log.says("ada", Body::Invitation(late)), refused(Accounts::InvitationExpired));
}

#[test]
fn time_in_the_log_does_not_go_back() {
    let mut log = TestLog::founded();
    log.invite("ben", Role::Member);
    log.wait(HOUR + 1);
    log.start_node("ada", 1);
    log.now = crate::names::Timestamp(0);
    assert_eq!(log.join("ben"), refused(Accounts::InvitationExpired));
}

#[test]
fn keys_belong_to_one_account() {
    let mut log = TestLog::peopled();
    log.invite("eve", Role::Member);
    let token = TestLog::invitation_key("eve");
    let own = secrets("eve");
    // A cosignature does not name its cosigner: eve takes ben's key without having it.
    let keys = AccountKeys { cosigner: secrets("ben").public().cosigner, ..own.public() };
    let statement = log.statement(Author::Account(name("eve")), Body::AccountAdmitted { keys });
    let entry = Entry::sign(statement, &[&token, &own.identity]).unwrap();
    assert_eq!(log.enter(&entry), refused(Accounts::KeysTaken { account: name("ben") }));
}

#[test]
fn an_incarnation_is_announced_once() {
    let mut log = TestLog::founded();
    log.start_node("ada", 1);
    let again = Body::NodeStarted { incarnation: TestLog::incarnation("ada", 1) };
    assert_eq!(
        log.says("ada", again.clone()),
        refused(Entries::AlreadySaid { account: name("ada") })
    );
    log.start_node("ada", 2);
    assert_eq!(
        log.says("ada", again),
        refused(Entries::AlreadySaid { account: name("ada") }),
        "an old start does not come back"
    );
}

#[test]
fn a_defective_entry_is_malformed_or_has_a_bad_signature() {
    assert_eq!(Refusal::from(EntryError::Signature), Refusal::Entries(Entries::Signature));
    for error in
        [EntryError::TooLong, EntryError::Json, EntryError::PayloadType, EntryError::Spelling]
    {
        assert_eq!(Refusal::from(error), Refusal::Entries(Entries::Malformed));
    }
}
