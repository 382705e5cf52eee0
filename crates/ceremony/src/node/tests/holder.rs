//! The node's statements and answers on command of the account holder and by configuration.

use super::*;
use crate::entry::GroupChange;
use crate::held::HELD_BY_NODE;
use crate::message::FromCoordinator::{Presence, PresenceChanged, Rejected};
use crate::names::{Digest, GroupName};
use crate::policy::Output;
use crate::state::Refusal;
use crate::state::refusal::{Entries, Requests, Sessions};

fn states(effects: &[NodeEffect]) -> Vec<Body> {
    stated(effects).into_iter().map(|entry| entry.statement().body.clone()).collect()
}

fn entry_in(effects: &[NodeEffect]) -> Entry {
    stated(effects)[0].clone()
}

/// The statement that a process started, if it is submitted.
fn announced(effects: &[NodeEffect]) -> Option<Entry> {
    let mut submitted = effects.iter().filter_map(|effect| match effect {
        NodeEffect::Send(FromNode::Submit { entry }) => Some(Entry::from_bytes(&entry.0).unwrap()),
        _ => None,
    });
    submitted.find(|entry| matches!(entry.statement().body, Body::NodeStarted { .. }))
}

/// A request of `requester` that ben's node sees, in a group with this policy.
fn asked(requester: &str, change: impl Fn(&mut crate::policy::Policy)) -> (Bench, EntryId) {
    let mut definition = TestLog::peopled().board_of_three();
    change(&mut definition.policy);
    let mut log = TestLog::keyed_with(definition);
    let request = log.requests(requester, log.request()).unwrap();
    let mut bench = Bench::new(log);
    bench.show();
    (bench, request)
}

fn reject(motion: Motion) -> Command {
    Command::Reject { motion, reason: "no".to_owned() }
}

fn command(bench: &mut Bench, command: Command) -> Vec<NodeEffect> {
    bench.log.wait(1);
    bench.tell(Input::Command(CommandId(1), command))
}

#[test]
fn automatic_consent_needs_both_policy_and_configuration() {
    for (policy, own) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut definition = TestLog::peopled().board_of_three();
        definition.policy.rule.auto_approve = policy;
        let mut log = TestLog::keyed_with(definition);
        let request = log.requests("ada", log.request()).unwrap();
        let config = Config { auto_accept: false, auto_approve: own, log_key: None };
        let mut bench = Bench::with_config(config, disk_after(&log), log);
        let mut effects = bench.show();
        effects.extend(bench.give_document(request));
        let consents = vec![Body::Approval { request }; usize::from(policy && own)];
        assert_eq!(states(&effects), consents, "policy {policy}, configuration {own}");
    }
}

#[test]
fn no_node_approves_a_raw_signature_automatically() {
    let mut definition = TestLog::peopled().board_of_three();
    definition.policy.rule.auto_approve = true;
    definition.policy.formats.insert("raw".parse().unwrap());
    let mut log = TestLog::keyed_with(definition);
    let raw = Request { output: "raw".parse().unwrap(), ..log.request() };
    let request = log.requests("ada", raw).unwrap();
    let config = Config { auto_accept: false, auto_approve: true, log_key: None };
    let mut bench = Bench::with_config(config, disk_after(&log), log);
    let effects = bench.show();
    assert_eq!((states(&effects).len(), fetches(&effects, request)), (0, false));
    // Its account holder still can.
    assert!(fetches(&command(&mut bench, Command::Approve(Motion::Request(request))), request));
}

#[test]
fn a_vote_that_would_not_count_is_not_signed() {
    let refused = |(mut bench, request): (Bench, EntryId), later: u64| {
        bench.log.wait(later);
        let effects = command(&mut bench, Command::Approve(Motion::Request(request)));
        assert_eq!((states(&effects).len(), fetches(&effects, request)), (0, false));
        let Some(Err(CommandError::Refusal(reason))) = answer(&effects) else { panic!() };
        reason
    };
    let said = Refusal::Entries(Entries::AlreadySaid { account: name("ben") });
    assert_eq!(refused(Bench::approved(), 0), said);
    let (bench, request) = asked("ada", |_| {});
    assert_eq!(
        refused((bench, request), HOUR),
        Refusal::Requests(Requests::RequestOver { request })
    );
    let maker_is_not_checker = |policy: &mut crate::policy::Policy| {
        policy.rule.requester_may_approve = false;
    };
    assert_eq!(
        refused(asked("ben", maker_is_not_checker), 0),
        Refusal::Requests(Requests::RequesterMayNotApprove)
    );
    let (mut bench, request) = asked("ada", maker_is_not_checker);
    assert!(fetches(&command(&mut bench, Command::Approve(Motion::Request(request))), request));
}

#[test]
fn a_node_approves_nothing_that_is_dated_ahead() {
    let mut log = TestLog::keyed();
    let right = log.now;
    // The policy's seven days, and the day by which clocks may differ.
    log.wait(8 * 24 * HOUR);
    let request = log.requests("ada", log.request()).unwrap();
    let mut bench = Bench::new(log);
    bench.show();
    bench.log.now = right;
    let effects = command(&mut bench, Command::Approve(Motion::Request(request)));
    let why = CommandError::Refusal(Refusal::Requests(Requests::DatedAhead { days: 1 }));
    assert_eq!((answer(&effects), states(&effects).len()), (Some(Err(why)), 0));
    bench.log.wait(HOUR);
    assert!(fetches(&command(&mut bench, Command::Approve(Motion::Request(request))), request));
}

#[test]
fn an_account_that_consented_or_rejected_cannot_consent_again() {
    let said = Some(Err(CommandError::Refusal(Refusal::Entries(Entries::AlreadySaid {
        account: name("ben"),
    }))));
    let (mut bench, request) = asked("ada", |_| {});
    command(&mut bench, reject(Motion::Request(request)));
    let effects = command(&mut bench, Command::Approve(Motion::Request(request)));
    assert_eq!((answer(&effects), states(&effects).len()), (said.clone(), 0));

    let (mut bench, request) = asked("ada", |_| {});
    command(&mut bench, Command::Approve(Motion::Request(request)));
    assert_eq!(states(&bench.give_document(request)), [Body::Approval { request }]);
    let effects = command(&mut bench, Command::Approve(Motion::Request(request)));
    assert_eq!((answer(&effects), states(&effects).len()), (said, 0));
}

fn signed_by(bench: &mut Bench, signers: &[&str], request: EntryId) -> Vec<NodeEffect> {
    let subject = Subject::Request { request };
    let signers = bench.log.records(signers, session(7), subject);
    let signature = bench.log.signature();
    let body = Body::Signature { request, session: session(7), signature, signers };
    bench.log.coordinator_says(body).unwrap();
    bench.show()
}

#[test]
fn rejecting_a_signed_request_binds_nobody() {
    let (mut bench, request) = Bench::approved();
    signed_by(&mut bench, &["ada", "ben"], request);
    let effects = command(&mut bench, reject(Motion::Request(request)));
    assert!(matches!(effects[..], [NodeEffect::Respond(_, Err(CommandError::Refusal(_)))]));
}

#[test]
fn approving_ends_when_others_decide_the_request_first() {
    let (mut bench, request) = asked("ada", |_| {});
    assert_eq!(answer(&command(&mut bench, Command::Approve(Motion::Request(request)))), None);
    bench.log.approves("cyd", request).unwrap();
    let effects = signed_by(&mut bench, &["ada", "cyd"], request);
    let over = CommandError::Refusal(Refusal::Requests(Requests::RequestOver { request }));
    assert_eq!(answer(&effects), Some(Err(over)));
}

#[test]
fn documents_are_fetched_again_on_connect_and_after_pauses() {
    let (mut bench, request) = Bench::approved();
    bench.tell(Input::Disconnected);
    assert!(fetches(&bench.tell(Input::Connected), request));
    for pause in [1_000, 2_000, 4_000] {
        let effects = bench.tell(Input::Document { request, document: None });
        let (deadline, at) = deadline(&effects);
        assert_eq!(at, bench.log.now.plus(pause));
        bench.log.now = at;
        assert!(fetches(&bench.tell(Input::Deadline(deadline)), request));
    }
    bench.tell(Input::Document { request, document: None });
    assert!(fetches(&bench.invite(session(7), request), request), "to sign, immediately");
}

#[test]
fn a_document_serves_only_sessions_of_its_own_request() {
    let (mut bench, request) = Bench::approved();
    bench.log.wait(1);
    let other = bench.log.requests("ada", bench.log.request()).unwrap();
    bench.log.approves("ben", other).unwrap();
    bench.show();
    bench.invite(session(7), request);
    bench.invite(session(8), other);
    let effects = bench.give_document(request);
    assert!(commits(&effects) && declined(&effects).is_none(), "{effects:?}");
    assert!(commits(&bench.give_document(other)));
}

/// A request of ben's that the coordinator claims to reject, and the command that made it.
fn rejected_request(reason: Refusal) -> (Bench, Entry, Command, Vec<NodeEffect>) {
    let (mut bench, _) = Bench::approved();
    let command = Command::Request {
        group: board(),
        document_type: None,
        output: Output::default(),
        signatures: 1,
        document: Digest::new([8; 32]),
        expires_in: Some(HOUR),
    };
    bench.log.wait(1);
    let effects = bench.tell(Input::Command(CommandId(1), command.clone()));
    let entry = entry_in(&effects);
    let effects = bench.receive(Rejected { entry: entry.id(), reason });
    (bench, entry, command, effects)
}

#[test]
fn only_an_equal_command_repeats_a_disputed_statement() {
    let (mut bench, entry, again, _) = rejected_request(Refusal::Sessions(Sessions::Protocol));
    assert_eq!(bench.node.disputed().map(Entry::id).collect::<Vec<_>>(), [entry.id()]);
    let effects = bench.tell(Input::Command(CommandId(2), again));
    assert!(matches!(effects[..], [NodeEffect::Send(FromNode::Submit { .. })]), "{effects:?}");

    let other = Command::Request {
        group: board(),
        document_type: None,
        output: Output::default(),
        signatures: 1,
        document: Digest::new([9; 32]),
        expires_in: Some(HOUR),
    };
    assert_eq!(states(&bench.tell(Input::Command(CommandId(3), other))).len(), 1);
    // Unrelated log entries do not settle it.
    bench.log.wait(1);
    bench.log.requests("cyd", bench.log.request()).unwrap();
    bench.show();
    assert_eq!(bench.node.disputed().count(), 1);
}

#[test]
fn a_clock_rejection_is_forgotten_and_the_lead_is_reported() {
    let skew = Refusal::Entries(Entries::ClockSkew { seconds: 100 });
    let (bench, entry, _, effects) = rejected_request(skew.clone());
    assert!(forgets(&effects, entry.id()));
    assert_eq!(answer(&effects), Some(Err(CommandError::Refusal(skew))));
    assert_eq!((bench.node.clock_lead(), bench.node.disputed().count()), (Some(100), 0));
}

#[test]
fn an_announcement_is_made_once_and_forgotten_when_rejected() {
    let mut bench = Bench::new(TestLog::keyed());
    bench.show();
    assert_eq!(bench.node.unsent(), 1);
    bench.log.wait(1);
    assert_eq!(states(&bench.tell(Input::Deadline(NodeDeadline::Clock))).len(), 0);
    bench.tell(Input::Disconnected);
    assert_eq!(announced(&bench.tell(Input::Connected)), None, "before the log is shown");
    let announcement = announced(&bench.show()).unwrap();
    let effects = bench.receive(Rejected {
        entry: announcement.id(),
        reason: Refusal::Sessions(Sessions::Protocol),
    });
    assert!(forgets(&effects, announcement.id()));
}

#[test]
fn a_process_that_knew_too_little_announces_itself_again() {
    let mut log = TestLog::keyed();
    let disk = disk_after(&log);
    log.follows = true;
    log.requests("ada", log.request()).unwrap();
    log.start_node("ben", 2);
    let mut bench = Bench::on(disk, log);
    let stale = announced(&bench.show()).unwrap();
    assert!(bench.log.enter(&stale).is_err(), "it has seen less than an earlier statement");
    let reason = Refusal::Entries(Entries::Outdated { name: "ben".to_owned() });
    let effects = bench.receive(Rejected { entry: stale.id(), reason });
    assert!(forgets(&effects, stale.id()));
    assert_eq!(deadline(&effects), (NodeDeadline::Clock, bench.log.now));
    let again = bench.tell(Input::Deadline(NodeDeadline::Clock));
    bench.log.enter(&announced(&again).unwrap()).unwrap();
    bench.show();
    assert_eq!(bench.node.unsent(), 0);
}

#[test]
fn a_node_tells_how_it_stands() {
    let (mut bench, request) = Bench::approved();
    let others: GroupName = "others".parse().unwrap();
    assert!(bench.node.connected() && bench.node.holds_share(&board()));
    assert!(!bench.node.holds_share(&others));
    let shown = checkpoint(&bench.log.entries, &bench.log.state.origin());
    assert_eq!(bench.node.checkpoint(), Some(shown.as_str()));
    assert_eq!((bench.node.misbehaviour(), bench.node.clock_lead()), (None, None));
    bench.receive(Presence { online: vec![name("ada"), name("ben")], clock: Timestamp(0) });
    assert_eq!(bench.node.online(), &[name("ada"), name("ben")].into());
    for (account, online) in [("cyd", true), ("ada", false), ("ada", false)] {
        bench.receive(PresenceChanged { account: name(account), online, clock: Timestamp(0) });
    }
    assert_eq!(bench.node.online(), &[name("ben"), name("cyd")].into());
    bench.log.wait(1);
    let open = bench.log.requests("ada", bench.log.request()).unwrap();
    bench.show();
    let inbox: Vec<_> = bench.node.inbox(bench.log.now).iter().map(|(state, _)| state.id).collect();
    assert_eq!((inbox, open == request), (vec![open], false));
    bench.tell(Input::Disconnected);
    assert!(!bench.node.connected() && bench.node.online().is_empty());
}

#[test]
fn judging_a_change_applies_the_logs_rules_and_states_nothing() {
    let mut bench = Bench::announced(TestLog::keyed());
    let of =
        |bench: &Bench, members: &[&str], min_signers| bench.log.board_of(members, min_signers);
    let everybody = ["ada", "ben", "cyd"];
    let cases = [
        (of(&bench, &everybody, 3), 1, None),
        (of(&bench, &everybody, 1), 1, None),
        (of(&bench, &everybody, 4), 1, None),
        (of(&bench, &["ada", "ben"], 2), 1, None),
        (of(&bench, &["ada", "cyd"], 2), 1, None),
        (of(&bench, &["ada", "ben", "out"], 2), 1, None),
        (of(&bench, &["ada", "ben", "zoe"], 2), 1, None),
        (of(&bench, &everybody, 3), 2, None),
        (of(&bench, &everybody, 3), 1, Some(0)),
        (of(&bench, &everybody, 3), 1, Some(1_000 * HOUR)),
    ];
    for (definition, epoch, expires_in) in cases {
        let now = bench.log.now;
        let proposal = Proposal { expires_in, ..Proposal::new(definition.clone(), epoch) };
        let judged = bench.node.judge(Command::ChangeGroup(proposal), now);
        assert_eq!(bench.node.unsent(), 0);
        // The hash that the coordinator would compute.
        let expires_at = now.plus(expires_in.unwrap_or(definition.policy.rule.expiry));
        let proposal = GroupChange { epoch, definition, expires_at, repairs: None, retires: false };
        let entry = bench.log.entry("ben", Body::GroupChange(proposal));
        let admitted = bench.log.state.clone().apply(&entry);
        assert_eq!(judged, admitted.map(drop).map_err(CommandError::from));
    }
    let definition = of(&bench, &everybody, 3);
    bench.tell(Input::Disconnected);
    let change = Command::ChangeGroup(Proposal::new(definition, 1));
    let judged = bench.node.judge(change, bench.log.now);
    assert_eq!(judged, Err(CommandError::Unreachable));
}

#[test]
fn declining_to_join_binds_although_the_acceptance_is_logged() {
    for declines in [false, true] {
        let mut log = TestLog::keyed();
        log.change(&["ada", "cyd"], 2, session(2));
        let change = log.proposes("ada", log.board_of(&["ada", "ben", "cyd"], 2)).unwrap();
        log.approves("cyd", change).unwrap();
        let disk = NodeDisk { entries: log.entries.clone(), ..NodeDisk::default() };
        let mut bench = Bench::on(disk, log);
        bench.announce();
        let accepts = Command::Approve(Motion::Change(change));
        let accepted = entry_in(&command(&mut bench, accepts.clone()));
        assert!(matches!(accepted.statement().body, Body::GroupAccepted { .. }));
        if declines {
            let reason = "not me".to_owned();
            let effects =
                command(&mut bench, Command::Reject { motion: Motion::Change(change), reason });
            assert!(forgets(&effects, accepted.id()));
            assert!(matches!(states(&effects)[..], [Body::Refusal { .. }]));
            assert!(bench.node.changes_to_decide(bench.log.now).is_empty());
            assert_eq!(states(&command(&mut bench, accepts)), []);
        }
        bench.log.enter(&accepted).unwrap();
        bench.log.begin(session(3), 1).unwrap();
        let effects = bench.show();
        let takes_part =
            states(&effects).iter().any(|it| matches!(it, Body::CeremonyMessage { .. }));
        assert_eq!(takes_part, !declines);
    }
}

#[test]
fn rejecting_a_running_change_ends_taking_part() {
    for refuses in [false, true] {
        let mut log = TestLog::keyed();
        let change = log.proposes("ada", log.board_of(&["ada", "ben"], 2)).unwrap();
        log.approves("ben", change).unwrap();
        let mut bench = Bench::announced(log);
        bench.log.begin(session(2), 1).unwrap();
        let announces = bench.show();
        let announcement = entry_in(&announces);
        assert!(matches!(announcement.statement().body, Body::CeremonyMessage { .. }));
        if refuses {
            command(&mut bench, reject(Motion::Change(change)));
        }
        bench.log.enter(&announcement).unwrap();
        bench.log.joins_reshare("ada");
        let deals = states(&bench.show());
        let deals = deals.iter().any(|body| matches!(body, Body::CeremonyMessage { .. }));
        assert_eq!(deals, !refuses);
    }
}

#[test]
fn a_rejected_change_is_not_approved_if_the_rejection_is_lost() {
    let mut log = TestLog::keyed();
    let change = log.proposes("ada", log.board_of(&["ada", "ben"], 2)).unwrap();
    let mut bench = Bench::announced(log);
    let reason = "no".to_owned();
    let refusal =
        entry_in(&command(&mut bench, Command::Reject { motion: Motion::Change(change), reason }));
    let skew = Refusal::Entries(Entries::ClockSkew { seconds: 400 });
    bench.receive(Rejected { entry: refusal.id(), reason: skew });
    let effects = command(&mut bench, Command::Approve(Motion::Change(change)));
    let said =
        CommandError::Refusal(Refusal::Entries(Entries::AlreadySaid { account: name("ben") }));
    assert_eq!((answer(&effects), states(&effects).len()), (Some(Err(said)), 0));
    // A second rejection is judged differently.
    let again = command(&mut bench, reject(Motion::Change(change)));
    assert!(matches!(states(&again)[..], [Body::Refusal { .. }]));
}

#[test]
fn only_a_members_request_is_approved_automatically() {
    let mut definition = TestLog::peopled().board_of_three();
    definition.policy.rule.auto_approve = true;
    let mut log = TestLog::keyed_with(definition);
    let strangers = log.requests("out", log.request()).unwrap();
    let config = Config { auto_accept: false, auto_approve: true, log_key: None };
    let mut bench = Bench::with_config(config, disk_after(&log), log);
    let effects = bench.show();
    assert!(!fetches(&effects, strangers));
    // The account holder can approve it.
    let effects = command(&mut bench, Command::Approve(Motion::Request(strangers)));
    assert!(fetches(&effects, strangers));
    let members = bench.log.requests("ada", bench.log.request()).unwrap();
    assert!(fetches(&bench.show(), members));
}

#[test]
fn an_order_names_the_kind_of_what_it_decides_on() {
    let mut log = TestLog::keyed();
    let request = log.requests("ada", log.request()).unwrap();
    let change = log.proposes("cyd", log.board_of(&["ben", "cyd"], 2)).unwrap();
    let defined = log.group().defined;
    let mut bench = Bench::announced(log);
    let wrong = [
        Motion::Request(change),
        Motion::Request(defined),
        Motion::Change(request),
        Motion::Change(defined),
        Motion::Definition(request),
        Motion::Definition(change),
    ];
    for motion in wrong {
        let unknown = Requests::UnknownRequest { request: motion.id() };
        let unknown = CommandError::Refusal(unknown.into());
        for order in [Command::Approve(motion), reject(motion)] {
            let judged = bench.node.judge(order.clone(), bench.log.now);
            let effects = command(&mut bench, order);
            assert_eq!((answer(&effects), states(&effects).len()), (Some(Err(unknown.clone())), 0));
            assert_eq!(judged, Err(unknown.clone()));
        }
    }
    let effects = command(&mut bench, Command::Approve(Motion::Change(change)));
    assert_eq!(states(&effects), [Body::Approval { request: change }]);
}

#[test]
fn an_output_of_more_signatures_is_not_approved() {
    let (mut bench, request) = Bench::approved();
    let document = |signatures| {
        let commitment = bench.log.state.request(request).unwrap().request.document;
        let to_be_signed = b"document".to_vec();
        Some(Document { commitment, signatures, number: 0, to_be_signed })
    };
    let (two, one) = (document(2), document(1));
    bench.invite(session(7), request);
    let effects = bench.tell(Input::Document { request, document: two });
    assert_eq!(commitments(&effects), None);
    bench.invite(session(8), request);
    let effects = bench.tell(Input::Document { request, document: one });
    assert!(commitments(&effects).is_some());
}

#[test]
fn bytes_of_another_signature_are_not_signed() {
    let (mut bench, request) = Bench::approved();
    let commitment = bench.log.state.request(request).unwrap().request.document;
    let to_be_signed = b"document".to_vec();
    let document = Some(Document { commitment, signatures: 1, number: 1, to_be_signed });
    bench.invite(session(7), request);
    let effects = bench.tell(Input::Document { request, document });
    assert_eq!(commitments(&effects), None);
    assert!(fetches(&effects, request), "it asks for those of the next signature");
    assert!(commitments(&bench.give_document(request)).is_some());
}

/// Like [`Bench::committed`], with a document that the node does not hold.
fn committed_to_long() -> (Bench, EntryId, SignedPart) {
    let (mut bench, request) = Bench::approved();
    bench.invite(session(7), request);
    let effects = give_long_document(&mut bench, request);
    (bench, request, commitments(&effects).unwrap())
}

fn give_long_document(bench: &mut Bench, request: EntryId) -> Vec<NodeEffect> {
    let commitment = bench.log.state.request(request).unwrap().request.document;
    let document = Some(Document {
        commitment,
        signatures: 1,
        number: 0,
        to_be_signed: vec![7; HELD_BY_NODE + 1],
    });
    bench.tell(Input::Document { request, document })
}

#[test]
fn a_long_document_is_read_again_for_the_share() {
    let (mut bench, request, ours) = committed_to_long();
    assert_eq!(bench.node.held_bytes(), 0);
    let theirs = bench.commitments_of_ada(session(7), request);
    let package = vec![(name("ada"), theirs), (name("ben"), ours)];
    let effects = bench.package(session(7), package.clone());
    assert_eq!((shares(&effects), fetches(&effects, request)), (0, true));
    assert_eq!(bench.package(session(7), package).len(), 0, "it waits already");
    assert_eq!(shares(&give_long_document(&mut bench, request)), 1);
    assert_eq!(shares(&give_long_document(&mut bench, request)), 0);
}

#[test]
fn a_second_package_ends_a_session_that_reads_its_document() {
    let (mut bench, request, ours) = committed_to_long();
    let packages = [0, 1].map(|_| {
        let theirs = bench.commitments_of_ada(session(7), request);
        vec![(name("ada"), theirs), (name("ben"), ours.clone())]
    });
    let [first, second] = packages;
    bench.package(session(7), first.clone());
    assert_eq!(declined(&bench.package(session(7), second)), Some(DeclineReason::Session));
    assert_eq!(shares(&give_long_document(&mut bench, request)), 0);
    assert_eq!(declined(&bench.package(session(7), first)), Some(DeclineReason::Session));
}

#[test]
fn a_package_is_declined_when_its_document_has_gone() {
    let (mut bench, request, ours) = committed_to_long();
    let theirs = bench.commitments_of_ada(session(7), request);
    bench.package(session(7), vec![(name("ada"), theirs), (name("ben"), ours)]);
    let effects = bench.tell(Input::Document { request, document: None });
    assert_eq!(declined(&effects), Some(DeclineReason::NoDocument));
}
