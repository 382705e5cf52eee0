//! `quorate group create`.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use quorate_ceremony::entry::GroupDefinition;
use quorate_ceremony::names::{AccountName, DocumentType, GroupName};
use quorate_ceremony::policy::{Governance, OutputFormat, Policy, Rule};
use quorate_documents::{Format, KeyKind};
use quorate_protocol::Suite;

use super::format::parse_format;
use super::watch::watch;
use crate::api::{Code, Command, GroupStage, GroupView, Problem};
use crate::cli::context::{Context, now};
use crate::cli::session::Session;
use crate::cli::{Failure, Run, duration};
use crate::render::{self, json, standing};

/// Define a signing group and have its members' nodes make its key
///
/// The members' nodes make the key together: each receives a share, and nobody ever has the key.
/// Key generation starts when all members have accepted and are online, runs automatically, and is
/// tried again if a node fails; this command only watches. Any --min-signers of the shares can
/// sign. Needs the admin role.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate group create board --members ada,ben,carol --min-signers 2
  quorate group create legal --members ada,ben,carol,dan,eve --min-signers 3 \\
      --document-type contract --document-type nda --approvals 4 --requester-may-not-approve
  quorate group create release --members ada,ben,carol --min-signers 2 --format ssh:git --format ssh
  quorate group create contracts --members ada,ben,carol --min-signers 2 --for documents
  quorate group create receipts --members pos1,pos2,pos3 --min-signers 2 --auto-approve --no-wait")]
pub(super) struct Create {
    /// Name of the group: a-z, 0-9, - _ .
    #[arg(value_name = "NAME")]
    name: GroupName,
    /// The members, separated by commas; each needs the member role
    #[arg(long, value_name = "ACCOUNT,…", value_delimiter = ',', required = true)]
    members: Vec<AccountName>,
    /// How many members it takes to sign; at least 2. Enforced by the mathematics
    #[arg(long, value_name = "N")]
    min_signers: u16,
    /// What the group signs, which decides the type of its key, permanently. Ed25519, for
    /// releases, is what OpenPGP, SSH, git and minisign verify. ECDSA P-256, for documents, is what
    /// programs for PDF files and certificates verify; a signature takes seconds
    #[arg(long = "for", value_name = "PURPOSE", default_value = "releases")]
    purpose: Purpose,
    /// How many members must approve a request; at least --min-signers, which is the default.
    /// Enforced by every node
    #[arg(long, value_name = "N")]
    approvals: Option<u16>,
    /// How many members must approve a change of the group; at least --min-signers, which is the
    /// default
    #[arg(long, value_name = "N")]
    approvals_to_change: Option<u16>,
    /// How often new shares are made automatically; at least an hour
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    refresh_every: Option<Duration>,
    /// A type of document that the group signs; if given, it signs no other types; repeatable
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    document_type: Vec<DocumentType>,
    /// A format that the group signs in, such as ssh, ssh:NAMESPACE or raw; it signs in no others;
    /// repeatable. A raw signature is valid for anything that the signed bytes mean, and is never
    /// approved automatically [default: ssh:file for releases; cms, csr and x509-self for
    /// documents]
    #[arg(long, value_name = "FORMAT", value_delimiter = ',', value_parser = parse_format)]
    format: Vec<OutputFormat>,
    /// When nodes and coordinator delete a document, after its request was signed or rejected or
    /// has expired: 30d; at least an hour [default: never]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    delete_documents_after: Option<Duration>,
    /// Nodes that are configured to approve automatically may do so
    #[arg(long)]
    auto_approve: bool,
    /// A member's own request does not count as its approval
    #[arg(long)]
    requester_may_not_approve: bool,
    /// How long a request can be approved at most
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = duration::parse)]
    expiry: Duration,
    /// Wait until the group has its key; this is the default
    #[arg(long, overrides_with = "no_wait")]
    wait: bool,
    /// Return as soon as the definition is in the log
    #[arg(long, overrides_with = "wait", conflicts_with = "timeout")]
    no_wait: bool,
    /// Stop waiting after this time (exit code 4, or 8 if nodes are offline); the key generation
    /// continues
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    timeout: Option<Duration>,
}

/// What a group signs, which decides the kind of its key.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Purpose {
    Releases,
    Documents,
}

impl Purpose {
    fn key(self) -> (Suite, KeyKind) {
        match self {
            Self::Releases => (Suite::FrostEd25519Sha512, KeyKind::Ed25519),
            Self::Documents => (Suite::EcdsaP256Sha256, KeyKind::EcdsaP256),
        }
    }

    /// The formats of a group that lists none.
    fn formats(self) -> &'static [&'static str] {
        match self {
            Self::Releases => &["ssh"],
            Self::Documents => &["cms", "csr", "x509-self"],
        }
    }
}

impl Run for Create {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let session = context.session()?;
        session
            .order(Command::DefineGroup(self.definition()?))
            .map_err(|problem| session.about_accounts(&self.members, problem))?;
        let group = match self.no_wait && !self.wait {
            true => session.group(&self.name)?,
            false => self.watch(context, &session)?,
        };
        let data = json::group(&group, now());
        context.terminal.show("group", &data, |page| render::group(page, &group, now()))?;
        context.terminal.note(|page| {
            page.blank();
            page.sentence(match group.state {
                GroupStage::Ready => "Members can now submit documents with:",
                _ => "The key is made as soon as all members are online. To see the progress:",
            });
            let command = match (group.state, group.document_types.first()) {
                (GroupStage::Ready, Some(kind)) => {
                    format!("quorate sign FILE --group {} --type {kind} --wait", group.name)
                }
                (GroupStage::Ready, None) => {
                    format!("quorate sign FILE --group {} --wait", group.name)
                }
                _ => format!("quorate group show {}", group.name),
            };
            page.copyable(context.command(&command));
        });
        Ok(())
    }
}

impl Create {
    /// Waits until the group has its key, or key generation has failed.
    fn watch(&self, context: &Context, session: &Session) -> Result<GroupView, Problem> {
        let name = &self.name;
        let what = format!("the key generation of {name}");
        let group = watch(context, session, name, &what, self.timeout, |group| {
            matches!(group.state, GroupStage::Ready | GroupStage::Failed)
        })?;
        if group.state == GroupStage::Ready {
            return Ok(group);
        }
        Err(Problem::new(Code::Failed, standing(&group))
            .hint(format!("quorate log show lists what happened; then define {name} again")))
    }

    fn definition(&self) -> Result<GroupDefinition, Problem> {
        let (suite, kind) = self.purpose.key();
        let mut formats: BTreeSet<OutputFormat> = self.format.iter().cloned().collect();
        if formats.is_empty() {
            let usual = self.purpose.formats().iter().filter_map(|text| parse_format(text).ok());
            formats.extend(usual);
        }
        for format in &formats {
            let known = format.name().parse::<Format>();
            let refused = known.ok().and_then(|format| format.accepts(kind).err());
            if let Some(refused) = refused {
                return Err(Problem::new(Code::Usage, refused.to_string()));
            }
        }
        Ok(GroupDefinition {
            name: self.name.clone(),
            suite,
            min_signers: self.min_signers,
            members: self.members.clone(),
            document_types: self.document_type.iter().cloned().collect::<BTreeSet<_>>(),
            policy: Policy {
                rule: Rule {
                    approvals_required: self.approvals.unwrap_or(self.min_signers),
                    requester_may_approve: !self.requester_may_not_approve,
                    auto_approve: self.auto_approve,
                    expiry: duration::milliseconds(self.expiry),
                },
                governance: Governance {
                    changes_required: self.approvals_to_change,
                    refresh_every: self.refresh_every.map(duration::milliseconds),
                },
                formats,
                delete_documents_after: self.delete_documents_after.map(duration::milliseconds),
            },
        })
    }
}
