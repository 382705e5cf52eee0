//! `quorate group change`, `refresh` and `repair`: new members, min_signers or shares of a key.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use quorate_ceremony::entry::GroupDefinition;
use quorate_ceremony::names::{AccountName, EntryId, GroupName};
use quorate_ceremony::policy::{OutputFormat, Policy};
use quorate_ceremony::state::refusal::{Accounts, Groups};
use quorate_ceremony::state::{Health, Refusal, Unable};
use quorate_protocol::Suite;
use serde::Serialize;

use super::format::parse_format;
use super::watch::watch;
use crate::api::{
    Answer, Ask, Code, Command, GroupStage, GroupView, Named, Problem, Proposal, Share,
};
use crate::cli::context::{Context, now};
use crate::cli::duration::DurationError;
use crate::cli::session::Session;
use crate::cli::{Failure, Run, duration};
use crate::launch::unexpected;
use crate::render::{
    self, Difference, Page, Tone, change_end, commas, group_sentence, is_done, json, plural,
    relative, rule_differences,
};

/// Propose to change a group's members or min_signers; its key stays
///
/// An admin or a member proposes a change. As many members as it takes to sign have to approve it
/// on their own nodes, and accounts that join have to accept. Then the nodes share the key again:
/// every member receives a new share, and the old shares sign until the new ones are in use. The
/// public key, and everything signed with it, stays valid.
///
/// A change does not revoke copies: former members who kept copies of their old shares can still
/// sign together if they are as many as it took before. If that is a risk, make a new group with a
/// new key instead.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate group change board --add dan,eve --min-signers 3 --dry-run
  quorate group change board --add dan,eve --min-signers 3
  quorate group change board --format ssh,raw
  quorate group change board --remove carol --wait")]
pub(super) struct Change {
    /// The group
    #[arg(value_name = "GROUP")]
    name: GroupName,
    /// How many members it takes to sign; at least 2
    #[arg(long, value_name = "N")]
    min_signers: Option<u16>,
    /// How many members must approve a request from then on; if it was the same as --min-signers,
    /// it stays the same
    #[arg(long, value_name = "N")]
    approvals: Option<u16>,
    /// How many members must approve a change from then on; at least --min-signers
    #[arg(long, value_name = "N")]
    approvals_to_change: Option<u16>,
    /// How often new shares are made automatically; `never` stops that
    #[arg(long, value_name = "TIME", value_parser = parse_every)]
    refresh_every: Option<Every>,
    /// The formats that the group signs in from then on, all of them: ssh, ssh:NAMESPACE or raw;
    /// repeatable
    #[arg(long, value_name = "FORMAT", value_delimiter = ',', value_parser = parse_format)]
    format: Vec<OutputFormat>,
    /// When documents of later requests are deleted, after the request ended; `never` keeps them
    #[arg(long, value_name = "TIME", value_parser = parse_every)]
    delete_documents_after: Option<Every>,
    /// Accounts that join, separated by commas; each needs the member role
    #[arg(long, value_name = "ACCOUNT,…", value_delimiter = ',')]
    add: Vec<AccountName>,
    /// Members that leave, separated by commas
    #[arg(long, value_name = "ACCOUNT,…", value_delimiter = ',')]
    remove: Vec<AccountName>,
    /// How long the change can be decided and begun [default: the group's own limit]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    expiry: Option<Duration>,
    /// Only show what would change
    #[arg(long, conflicts_with_all = ["wait", "timeout"])]
    dry_run: bool,
    #[command(flatten)]
    waiting: Waiting,
}

/// Have a group's nodes make new shares of its key; nothing else changes
///
/// Old shares are destroyed when the new ones are in use: a thief with fewer old shares than it
/// takes to sign can then do nothing with them. An admin or a member can start it; nobody has to
/// approve, but all members' nodes have to be online. To do it regularly: quorate group change
/// GROUP --refresh-every 30d.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate group refresh board
  quorate group refresh board --wait --timeout 10m")]
pub(super) struct Refresh {
    /// The group
    #[arg(value_name = "GROUP")]
    name: GroupName,
    #[command(flatten)]
    waiting: Waiting,
}

/// Restore the lost share of a member
///
/// For a member whose node lost its data, or that has new keys (quorate account replace-keys). As
/// many other members as it takes to sign have to approve; then as many nodes rebuild the share
/// together, for that member alone: nobody else learns anything about it, and nobody else's share
/// changes. If somebody else may have the lost device, run `quorate group refresh` instead: the
/// member receives a new share, and the one on the device stops working.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate group repair board carol
  quorate group repair board carol --wait")]
pub(super) struct Repair {
    /// The group
    #[arg(value_name = "GROUP")]
    name: GroupName,
    /// The member that lost its share
    #[arg(value_name = "MEMBER")]
    member: AccountName,
    #[command(flatten)]
    waiting: Waiting,
}

#[derive(Args, Debug)]
pub(super) struct Waiting {
    /// Wait until the change is in force, or has failed
    #[arg(long)]
    wait: bool,
    /// Stop waiting after this time (exit code 4, or 8 if nodes are offline); the change continues
    #[arg(long, value_name = "TIME", value_parser = duration::parse, requires = "wait")]
    timeout: Option<Duration>,
}

#[derive(Debug, Serialize)]
struct DryRun {
    group: GroupName,
    dry_run: bool,
    now: Figures,
    after: Figures,
    /// All other differences, for people. Programs compare the policies.
    #[serde(skip)]
    rules: Vec<Difference>,
}

#[derive(Debug, Serialize)]
struct Figures {
    members: Vec<AccountName>,
    min_signers: u16,
    max_signers: usize,
    /// How many more shares can be lost until the group cannot sign.
    may_be_lost: usize,
    /// How many members can sign together against the will of the others.
    must_collude: u16,
    approvals_required: u16,
    approvals_to_change: u16,
    policy: Policy,
}

impl Figures {
    /// The present figures. Shares that are lost already cannot be lost again.
    fn now(definition: &GroupDefinition, healthy: Option<usize>) -> Self {
        let mut figures = Self::of(definition);
        let healthy = healthy.unwrap_or(figures.max_signers);
        figures.may_be_lost = healthy.saturating_sub(usize::from(definition.min_signers));
        figures
    }

    /// The figures after a change, which gives all members new shares.
    fn of(definition: &GroupDefinition) -> Self {
        let max_signers = definition.members.len();
        Self {
            members: definition.members.clone(),
            min_signers: definition.min_signers,
            max_signers,
            may_be_lost: max_signers.saturating_sub(usize::from(definition.min_signers)),
            must_collude: definition.min_signers,
            approvals_required: definition.policy.rule.approvals_required,
            approvals_to_change: definition
                .policy
                .governance
                .changes_required
                .unwrap_or(definition.min_signers),
            policy: definition.policy.clone(),
        }
    }
}

impl Run for Change {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let session = context.session()?;
        let group = session.group(&self.name)?;
        let before = definition_of(&group)?;
        let after = self.applied_to(before.clone())?;
        if is_same(&before, &after) {
            let message = format!("that would change nothing about {}", self.name);
            return Err(Problem::new(Code::Usage, message)
                .hint(format!(
                    "for new shares of the same key: quorate group refresh {}",
                    self.name
                ))
                .into());
        }
        let expires_in = self.expiry.map(duration::milliseconds);
        let dry_run = self.dry_run.then(|| DryRun {
            group: self.name.clone(),
            dry_run: true,
            now: Figures::now(&before, group.healthy),
            after: Figures::of(&after),
            rules: rule_differences(&before, &after),
        });
        let proposal = Proposal { expires_in, ..proposal(&group, after) };
        if let Some(view) = dry_run {
            judge(&session, &group, proposal)?;
            context.terminal.show("change", &view, |page| table(page, &view))?;
            return Ok(());
        }
        propose(context, &session, &group, proposal, &self.waiting)
    }
}

impl Run for Refresh {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let session = context.session()?;
        let group = session.group(&self.name)?;
        let same = definition_of(&group)?;
        propose(context, &session, &group, proposal(&group, same), &self.waiting)
    }
}

impl Run for Repair {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let session = context.session()?;
        let group = session.group(&self.name)?;
        let same = definition_of(&group)?;
        if !same.members.contains(&self.member) {
            let message = format!("{} is not a member of {}", self.member, self.name);
            return Err(Problem::new(Code::Usage, message)
                .hint(format!("quorate group show {}", self.name))
                .into());
        }
        let proved = group.members.iter().find_map(|it| match it.share {
            Some(Share::Shown(Health::Healthy { proved })) if it.account == self.member => {
                Some(proved)
            }
            _ => None,
        });
        if let Some(proved) = proved {
            context.terminal.warn(&format!(
                "the log shows that the node of {} proved its share {}; a repair is for one that is lost",
                self.member,
                relative(now(), proved)
            ));
        }
        let proposal = Proposal { repairs: Some(self.member.clone()), ..proposal(&group, same) };
        propose(context, &session, &group, proposal, &self.waiting)
    }
}

/// The proposal that the group, as the node knows it, becomes this.
pub(super) fn proposal(group: &GroupView, after: GroupDefinition) -> Proposal {
    Proposal::new(after, group.epoch.unwrap_or_default())
}

/// Asks the node whether the change can be proposed now.
fn judge(session: &Session, group: &GroupView, proposal: Proposal) -> Result<(), Problem> {
    let members = proposal.definition.members.clone();
    match session.ask(Ask::Judge(Command::ChangeGroup(proposal))) {
        Ok(Answer::Admissible) => Ok(()),
        Ok(other) => Err(unexpected(&other)),
        Err(problem) => Err(refusal(session, group, &members, problem)),
    }
}

/// Explains why a change cannot be proposed, better than `problem` where possible.
fn refusal(
    session: &Session,
    group: &GroupView,
    members: &[AccountName],
    problem: Problem,
) -> Problem {
    let is_member = |name: &&AccountName| group.members.iter().any(|it| it.account == **name);
    let added: Vec<AccountName> = members.iter().filter(|name| !is_member(name)).cloned().collect();
    let problem = session.about_accounts(&added, problem);
    let of = |why| {
        let share = Share::Shown(Health::Unable(why));
        let members = group.members.iter().filter(|it| members.contains(&it.account));
        let of = members.filter(|it| it.share == Some(share));
        of.map(|it| it.account.to_string()).collect::<Vec<_>>()
    };
    let (removed, suspended) = (of(Unable::Removed), of(Unable::Suspended));
    let gone = [removed.as_slice(), &suspended].concat();
    let is_about = match &problem.code {
        Code::Refused(
            Refusal::Accounts(Accounts::Removed { account } | Accounts::Suspended { account })
            | Refusal::Groups(Groups::MemberRole { account }),
        ) => gone.iter().any(|name| name == account.as_str()),
        _ => false,
    };
    if !is_about {
        return problem;
    }
    let are = |names: &[String], what: &str| match names {
        [] => None,
        [one] => Some(format!("{one} {what}")),
        many => Some(format!("{} are {}", many.join(", "), what.trim_start_matches("is "))),
    };
    let why: Vec<String> = [are(&removed, "is removed"), are(&suspended, "is suspended")]
        .into_iter()
        .flatten()
        .collect();
    let message = format!("{}, and cannot receive a share of {}", why.join(", "), group.name);
    Problem::new(problem.code, message).hint(format!(
        "remove them, too: quorate group change {} --remove {} …",
        group.name,
        gone.join(",")
    ))
}

/// Whether the definitions are the same, apart from the order of the members.
fn is_same(before: &GroupDefinition, after: &GroupDefinition) -> bool {
    let sorted = |of: &GroupDefinition| {
        let mut of = of.clone();
        of.members.sort();
        of
    };
    sorted(before) == sorted(after)
}

/// Returns a name that occurs twice.
fn twice<'a>(mut names: impl Iterator<Item = &'a AccountName>) -> Option<&'a AccountName> {
    let mut seen = BTreeSet::new();
    names.find(|name| !seen.insert(*name))
}

impl Change {
    /// Returns the definition after the change.
    fn applied_to(&self, mut definition: GroupDefinition) -> Result<GroupDefinition, Problem> {
        let usage = |message: String| Problem::new(Code::Usage, message);
        if let Some(name) = twice(self.add.iter()).or_else(|| twice(self.remove.iter())) {
            return Err(usage(format!("{name} is named twice")));
        }
        if let Some(name) = self.add.iter().find(|name| self.remove.contains(name)) {
            return Err(usage(format!("{name} cannot both leave and join")).hint(format!(
                "for new shares of the same members: quorate group refresh {}",
                self.name
            )));
        }
        for name in &self.remove {
            let before = definition.members.len();
            definition.members.retain(|member| member != name);
            if definition.members.len() == before {
                let message = format!("{name} is not a member of {}", self.name);
                return Err(usage(message).hint(format!("quorate group show {}", self.name)));
            }
        }
        for name in &self.add {
            if definition.members.contains(name) {
                return Err(usage(format!("{name} is a member of {} already", self.name)));
            }
            definition.members.push(name.clone());
        }
        let (old, new) = (definition.min_signers, self.min_signers);
        definition.min_signers = new.unwrap_or(old);
        let followed = definition.policy.rule.approvals_required == old;
        let approvals = match followed {
            true => definition.min_signers,
            false => definition.policy.rule.approvals_required.max(definition.min_signers),
        };
        definition.policy.rule.approvals_required = self.approvals.unwrap_or(approvals);
        let changes = definition.policy.governance.changes_required;
        let least = definition.min_signers;
        definition.policy.governance.changes_required =
            self.approvals_to_change.or(changes.map(|required| required.max(least)));
        if let Some(Every(every)) = self.refresh_every {
            definition.policy.governance.refresh_every = every.map(duration::milliseconds);
        }
        if let Some(Every(after)) = self.delete_documents_after {
            definition.policy.delete_documents_after = after.map(duration::milliseconds);
        }
        if !self.format.is_empty() {
            definition.policy.formats = self.format.iter().cloned().collect();
        }
        Ok(definition)
    }
}

/// An interval; `None` for never.
#[derive(Clone, Copy, Debug)]
struct Every(Option<Duration>);

fn parse_every(text: &str) -> Result<Every, DurationError> {
    match text {
        "never" => Ok(Every(None)),
        text => duration::parse(text).map(|every| Every(Some(every))),
    }
}

/// Returns the definition in force.
pub(super) fn definition_of(group: &GroupView) -> Result<GroupDefinition, Problem> {
    if group.epoch.is_none() {
        let message = format!("{} has no key yet; define it again instead", group.name);
        return Err(Problem::new(Code::Failed, message)
            .hint(format!("quorate group create {} …", group.name)));
    }
    let suite = group.suite.parse::<Suite>();
    let suite = suite.map_err(|error| Problem::new(Code::Failed, error.to_string()))?;
    Ok(GroupDefinition {
        name: group.name.clone(),
        suite,
        min_signers: group.min_signers,
        members: group.members.iter().map(|member| member.account.clone()).collect(),
        document_types: group.document_types.clone(),
        policy: group.policy.clone(),
    })
}

pub(super) fn propose(
    context: &Context,
    session: &Session,
    group: &GroupView,
    proposal: Proposal,
    waiting: &Waiting,
) -> Result<(), Failure> {
    let members = proposal.definition.members.clone();
    let (id, _) = session
        .order(Command::ChangeGroup(proposal))
        .map_err(|problem| refusal(session, group, &members, problem))?;
    let mut group = session.group(&group.name)?;
    if waiting.wait {
        // A person who stops waiting has to know that the proposal stands, and how it is decided.
        context.terminal.note(|page| {
            page.sentence(format!(
                "Proposed, as {}. It continues whether you wait or not; to withdraw it: quorate group cancel {}",
                id.short(),
                group.name
            ));
        });
        how_to_decide(context, &group);
        group = outcome(context, session, &group.name, id, waiting.timeout)?;
    }
    let data = json::group(&group, now());
    context.terminal.show("group", &data, |page| match &group.change {
        Some(change) => render::change(page, change, now()),
        None if group.state == GroupStage::Retired => {
            page.verdict(Tone::Good, group_sentence(&group));
        }
        None => {
            let epoch = group.epoch.unwrap_or_default();
            page.verdict(Tone::Good, format!("{} is in epoch {epoch}", group.name));
            page.note(group_sentence(&group));
        }
    })?;
    how_to_decide(context, &group);
    Ok(())
}

/// Displays how members decide on the change, without `--home`, because each uses its own node.
fn how_to_decide(context: &Context, group: &GroupView) {
    if let Some(change) = &group.change
        && !change.undecided.is_empty()
    {
        context.terminal.note(|page| {
            page.blank();
            page.sentence("Members find it in their inbox, and approve it with:");
            page.copyable(format!("quorate group approve {}", change.id.short()));
        });
    }
}

/// Waits until the change is in force or has failed.
fn outcome(
    context: &Context,
    session: &Session,
    name: &GroupName,
    id: EntryId,
    timeout: Option<Duration>,
) -> Result<GroupView, Problem> {
    let what = format!("change {} of {name}", id.short());
    let group = watch(context, session, name, &what, timeout, |group| {
        group.change.as_ref().is_none_or(|change| change.id != id)
    })?;
    // Later changes may have followed.
    let message = match session.find(&id.to_string())? {
        Named::PastChange(past) if is_done(&past) => return Ok(group),
        Named::PastChange(past) => format!("the change of {name} failed: {}", change_end(&past)),
        _ => format!("the change of {name} has expired, and {name} stays as it is"),
    };
    Err(Problem::new(Code::Rejected, message).hint(format!("quorate group show {name}")))
}

fn table(page: &mut Page, view: &DryRun) {
    let (now, after) = (&view.now, &view.after);
    page.verdict(Tone::Warn, format!("{} would change; nothing was changed", view.group));
    let row = |label, of: &dyn Fn(&Figures) -> String| (label, of(now), of(after));
    let figures = [
        row("signs with", &|of| format!("any {} of {} members", of.min_signers, of.max_signers)),
        row("a request", &|of| {
            format!("needs {}", plural(usize::from(of.approvals_required), "approval", "approvals"))
        }),
        row("may be lost", &|of| plural(of.may_be_lost, "share", "shares")),
        row("must collude", &|of| plural(usize::from(of.must_collude), "member", "members")),
    ];
    page.comparison(["Now", "After"], figures.into_iter().chain(view.rules.iter().cloned()));
    let names = |names: &mut dyn Iterator<Item = &AccountName>| commas(names);
    page.wide_field(
        "leave",
        names(&mut now.members.iter().filter(|it| !after.members.contains(it))),
    );
    page.wide_field(
        "join",
        names(&mut after.members.iter().filter(|it| !now.members.contains(it))),
    );
    page.wide_field("stay", names(&mut now.members.iter().filter(|it| after.members.contains(it))));
}
