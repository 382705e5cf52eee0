//! `quorate join`.

use std::path::PathBuf;

use clap::Args;
use quorate_ceremony::names::{AccountName, IvnId};
use rand_core::OsRng;
use serde::Serialize;

use super::context::{Context, home_problem, now};
use super::file;
use super::setup_problem::setup_problem;
use super::weak_passphrase::WeakPassphrase;
use super::{Failure, Run};
use crate::api::{Code, Problem};
use crate::home::Locations;
use crate::keystore::{Cost, PassphraseProtector};
use crate::render::Tone;
use crate::setup::join::{Choices, check_invitation, join};
use crate::setup::link::JoinLink;

/// Join an IVN with an invitation
///
/// Makes this account's keys and home on this machine, and adds the account to the roster. The keys
/// never leave this machine. Everything the hub sends is checked against the URL. A URL works once;
/// it is a secret until then.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate join 'https://sign.acme.example:7420/join/3f…/ben#AbC…'
  quorate join - < url.txt              the URL stays out of the list of processes
  quorate join 'https://…' --home ./ben --passphrase-file ./pass")]
pub(super) struct Join {
    /// The URL that `quorate invite` printed, in quotes; - reads it from stdin
    #[arg(value_name = "URL")]
    url: String,
    #[command(flatten)]
    autonomy: Autonomy,
    #[command(flatten)]
    weak: WeakPassphrase,
}

#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Autonomy {
    /// Ask before this account becomes a member of a group
    ///
    /// Without it, the node accepts membership of every group that an admin defines with this
    /// account, or that is changed to include it, and makes its share of the key. Requests still
    /// ask for approval.
    #[arg(long)]
    ask_before_groups: bool,
    /// Approve requests without asking, in groups whose policy allows that
    ///
    /// For unattended nodes. Both the group (`group create --auto-approve`) and the node must allow
    /// it.
    #[arg(long)]
    auto_approve: bool,
}

impl Autonomy {
    pub(super) fn choices(self) -> Choices {
        Choices { auto_accept: !self.ask_before_groups, auto_approve: self.auto_approve }
    }
}

#[derive(Serialize)]
struct JoinView {
    account: AccountName,
    ivn: IvnId,
    ivn_name: String,
    home: PathBuf,
    index: u64,
}

impl Run for Join {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let from_stdin = self.url == file::DASH;
        let url = zeroize::Zeroizing::new(match from_stdin {
            true => file::read_text(file::DASH.as_ref())?,
            false => self.url,
        });
        let link: JoinLink = url
            .parse()
            .map_err(|error| Problem::new(Code::Usage, crate::error_chain::chain(&error)))?;
        let home = Locations::from_environment()
            .new_node(context.home.clone(), link.account.as_str())
            .map_err(|error| home_problem(&error))?;
        if home.join("home.json").exists() {
            return Err(home_problem(&crate::home::HomeError::Exists(home)).into());
        }
        // Before the passphrase, so that nobody chooses one for an invitation that is used already.
        context.wait_for(check_invitation(&link, &home)).map_err(|error| setup_problem(&error))?;
        context.terminal.note(|page| {
            page.sentence(format!("joining as {} at {}", link.account, link.token.hub()));
        });
        let passphrase =
            context.passphrase(&self.weak.to_protect(format!("the keys of {}", link.account)))?;
        let protector = PassphraseProtector::new(passphrase, Cost::RECOMMENDED);
        let mut rng = OsRng;
        let joining = join(&link, &home, &protector, self.autonomy.choices(), now(), &mut rng);
        let joined = context.wait_for(joining).map_err(|error| setup_problem(&error))?;
        let view = JoinView {
            account: joined.account,
            ivn: joined.ivn,
            ivn_name: joined.ivn_name,
            home,
            index: joined.index,
        };
        context.terminal.show("membership", &view, |page| {
            page.verdict(Tone::Good, format!("{} joined IVN \"{}\"", view.account, view.ivn_name));
            page.field("IVN id", view.ivn);
            page.field("home", view.home.display());
        })?;
        context.terminal.note(|page| {
            page.blank();
            page.sentence("Next: run this account's node, and leave it running.");
            page.copyable(context.command("quorate node run"));
            page.blank();
            page.sentence(
                "Keep the passphrase: nobody can restore this account's keys without it.",
            );
        });
        Ok(())
    }
}
