//! What the commands that replace a coordinator have in common: the node at rest, the comparison of
//! its log with the history that is voted for, and how both are shown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use quorate_ceremony::entry::{Body, Entry};
use quorate_ceremony::names::AccountName;

use crate::api::{Code, Problem};
use crate::cli::context::Context;
use crate::cli::file;
use crate::cli::setup_problem::setup_problem;
use crate::home::{NodeConfig, NodeHome};
use crate::launch::{Found, find};
use crate::log_audit::entry_view;
use crate::render::{Page, Tone, entry_sentence, list};
use crate::setup::SetupError;
use crate::setup::replacement::{
    Comparison, LostShare, MAX_FILE, ReplacementError, ReplacementFile, Source, Vote, compare,
};

/// How many of the entries that a node would give up are listed.
const SHOWN: usize = 20;

/// Opens the home of a node that does not run.
pub(super) fn node_at_rest(context: &Context) -> Result<(NodeHome, NodeConfig), Problem> {
    let path = context.node_home()?;
    let config = context.node_config()?;
    match context.wait_for(find(&path))? {
        Found::AtRest(home) => Ok((*home, config)),
        Found::Running(_) => {
            let message = format!("the node of {} is running", config.account);
            Err(Problem::new(Code::Failed, message).hint("stop it first (Ctrl-C where it runs)"))
        }
    }
}

/// Reads the description of a new coordinator.
pub(in crate::cli) fn read_file(path: &Path) -> Result<ReplacementFile, Problem> {
    let bytes = file::read(path, MAX_FILE)?;
    ReplacementFile::from_json(path, &bytes).map_err(|error| problem(error.into()))
}

/// Compares the history that is voted for with the node's own log. Fails, and shows the difference,
/// if the node would give up entries and its holder has not said that it may.
pub(super) fn compared(
    context: &Context,
    home: &NodeHome,
    config: &NodeConfig,
    file: &ReplacementFile,
    from: Option<PathBuf>,
    may_abandon: bool,
) -> Result<Vote, Problem> {
    let from = from.map(Source);
    let found = context.wait_for(compare(home, config, file, from.as_ref())).map_err(problem)?;
    check_abandon(&found, may_abandon).inspect_err(|_| {
        context.terminal.note(|page| describe(page, file, &found, &config.account));
    })?;
    Ok(found)
}

pub(super) fn problem(error: SetupError) -> Problem {
    let failed = |code| Problem::new(code, error.to_string());
    match &error {
        SetupError::Replacement(ReplacementError::NeedsHistory { own, needed }) => {
            let problem = failed(Code::Failed);
            match own < needed {
                true => problem.hint(
                    "give a copy of the log that has them with --from, such as the home of another node, or its published files",
                ),
                false => problem.hint(
                    "the node verified a different history; to compare them, give a copy of the log that is voted for with --from",
                ),
            }
        }
        SetupError::Replacement(ReplacementError::Refused(refusal)) => {
            Problem::new(Code::Blocked(refusal.clone()), refusal.to_string())
        }
        SetupError::Replacement(ReplacementError::TooFew { .. }) => failed(Code::Waiting)
            .hint("each of them runs: quorate coordinator approve replacement.json"),
        SetupError::Replacement(ReplacementError::OtherAuthority) => {
            failed(Code::Verification).hint("get the file again from the person who made it")
        }
        SetupError::Replacement(ReplacementError::OtherKeys { .. }) => failed(Code::NotAllowed).hint(
            "an admin of the new coordinator gives the account new keys, in a new home: quorate account replace-keys",
        ),
        SetupError::Replacement(ReplacementError::VotedOtherwise { path }) => failed(Code::NotAllowed).hint(
            format!("a vote that was given out stays valid; if it never was, remove {}", path.display()),
        ),
        SetupError::Replacement(_) => failed(Code::Failed),
        error => setup_problem(error),
    }
}

/// Describes a replacement, and what this node would give up.
pub(super) fn describe(
    page: &mut Page,
    file: &ReplacementFile,
    compared: &Vote,
    account: &AccountName,
) {
    let history = file.replacement.history;
    page.field("IVN", format!("{} ({})", file.name, file.ivn));
    page.field("reason", &file.replacement.reason);
    page.field("hub", &file.hub);
    page.field("history", format!("{} entries, root {}", history.size, history.root));
    page.field("log key", hex::encode(file.replacement.keys.log_key.0));
    let Comparison { lost, unknown, common, own, .. } = compared.comparison;
    if unknown > 0 {
        page.item(
            Tone::Warn,
            format!("{unknown} entries of the history are new to this node, which has {own}"),
        );
    }
    if lost == 0 {
        page.item(Tone::Good, "the history contains everything that this node verified");
        return;
    }
    page.item(
        Tone::Warn,
        format!("the history lacks {lost} entries that the node of {account} verified:"),
    );
    let mut kinds = BTreeMap::new();
    for entry in &compared.lost {
        *kinds.entry(entry.statement().body.kind()).or_insert(0u64) += 1;
    }
    page.note(
        kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", "),
    );
    // Those first whose loss is worst.
    let mut lost: Vec<(u64, &Entry)> = (common..).zip(&compared.lost).collect();
    lost.sort_by_key(|(index, entry)| (rank(entry), *index));
    for (index, lost) in lost.iter().take(SHOWN) {
        let view = entry_view(&compared.state, *index, lost);
        page.note(format!("entry {index}: {} {}", view.author, entry_sentence(&view)));
    }
    if lost.len() > SHOWN {
        page.note(format!("… and {} more", lost.len() - SHOWN));
    }
    for LostShare { group, epoch } in &compared.lost_shares {
        page.item(
            Tone::Bad,
            format!("this node no longer has its share of {group} in epoch {epoch}, which the history needs"),
        );
    }
}

/// Sorts what is lost: first what protects the members, then what they signed.
fn rank(entry: &Entry) -> u8 {
    match entry.statement().body {
        Body::AccountRemoved { .. }
        | Body::AccountSuspended { .. }
        | Body::KeysRotated { .. }
        | Body::AccountAdmitted { .. } => 0,
        Body::EpochStarted { .. } | Body::ShareDestroyed { .. } | Body::GroupChange(_) => 1,
        Body::Signature { .. } | Body::Refusal { .. } => 2,
        Body::CeremonyMessage { .. } | Body::CeremonyCertified { .. } => 4,
        _ => 3,
    }
}

/// Fails if the node would give up entries, and its holder has not said that it may.
fn check_abandon(compared: &Vote, may_abandon: bool) -> Result<(), Problem> {
    let lost = compared.comparison.lost;
    if lost == 0 || may_abandon {
        return Ok(());
    }
    let message =
        format!("the history that is voted for lacks {lost} entries that this node verified");
    Err(Problem::new(Code::Failed, message).hint(
        "a replacement with the log of this node would lack nothing: quorate coordinator replace --from HOME; \
         to give these entries up all the same: --abandon",
    ))
}

pub(super) fn voters(names: &[AccountName]) -> String {
    list(names)
}
