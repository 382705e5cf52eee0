//! The demonstration: an IVN whose members generate a key together and sign a real file, checked by
//! foreign tools.
//!
//! The coordinator and each member's node are real processes of this program that use TLS over
//! loopback. The demonstration plays only the people.

mod checks;
pub(crate) mod cluster;
pub(crate) mod measure;
mod reshare;
mod stage;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use quorate_ceremony::names::{AccountName, EntryId};
use serde::Serialize;

use self::checks::Signed;
use self::cluster::Cluster;
use self::reshare::Reshare;
pub(crate) use self::stage::{Check, Plan, Step};
use self::stage::{GROUP, Show, create, definition, hears, join, signed, unwritable, write};
use crate::api::{Answer, Code, Command, Motion, Problem, Query, RequestView};
use crate::home::Limits;
use crate::launch::{Client, unexpected};
use crate::render::size;
use crate::setup::join::Choices;

/// The document if no file is given.
const SAMPLE: &str = "\
CONTRACT

between Aurelia Finance and Nordwind Logistik: haulage in the fourth quarter,
EUR 75,000.00, payable within 30 days.
";

/// The names of the first members; further ones are called member-7, member-8 and so on.
const NAMES: [&str; 6] = ["ada", "ben", "carol", "dan", "eve", "frank"];

/// The directory with the homes of coordinator and nodes.
pub(crate) const HOMES: &str = "homes";

/// The files and results of a demonstration.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) document: PathBuf,
    /// The group's verifying key in hex.
    pub(crate) verifying_key: String,
    pub(crate) public_key_file: PathBuf,
    /// The raw signature, 64 bytes.
    pub(crate) signature_file: PathBuf,
    pub(crate) sshsig_file: PathBuf,
    /// The allowed-signers file for `ssh-keygen -Y verify`.
    pub(crate) allowed_signers_file: PathBuf,
    pub(crate) ssh_identity: String,
    pub(crate) min_signers: u16,
    pub(crate) max_signers: u16,
    /// From the group's acceptance to its key in use, in milliseconds.
    pub(crate) dkg_ms: u64,
    /// From the request to the signature, two approvals by command included, in milliseconds.
    pub(crate) sign_ms: u64,
    pub(crate) reshare: Reshare,
    pub(crate) log_size: u64,
    /// A copy of the log as the coordinator published it (C2SP tlog-tiles).
    pub(crate) log_dir: PathBuf,
    pub(crate) proof_file: PathBuf,
    /// The result of each check: "passed", "failed" or "skipped".
    pub(crate) checks: BTreeMap<&'static str, &'static str>,
    /// The reasons of those that did not pass.
    pub(crate) reasons: BTreeMap<&'static str, String>,
}

/// Runs the demonstration. All its processes have ended when it returns, also if its future is
/// dropped.
///
/// # Errors
///
/// If a step fails. A failed check is part of the report instead.
pub(crate) async fn run(plan: &Plan, mut tell: impl FnMut(Step)) -> Result<Report, Problem> {
    let names = names(plan)?;
    let document = read_document(plan)?;
    make_directory(&plan.directory)?;
    let stage = plan.directory.join(HOMES);
    create(&stage)?;
    let text = format!(
        "Starting a coordinator and {} nodes, a process each; opening their keys takes some seconds …",
        names.len()
    );
    tell(Step::Begun { text });
    let choices = Choices { auto_accept: true, auto_approve: false };
    let mut cluster = Cluster::start(&stage, &names, choices).await?;
    tell(Step::Done { what: "coordinator", text: format!("https://{}", cluster.hub) });
    tell(Step::Done { what: "nodes", text: format!("{} (a process each)", join(&names)) });
    let mut show = Show { plan, names: &names, tell: &mut tell, checks: BTreeMap::new() };
    let result = show.play(&mut cluster, &document).await;
    let log = cluster.log();
    let documents = cluster.documents();
    cluster.stop().await?;
    let made = result?;
    // The coordinator has published the whole log once it has ended.
    let log_dir = plan.directory.join("log");
    copy_directory(&log, &log_dir)?;
    show.audit(&log_dir, &documents);
    if !plan.keep {
        std::fs::remove_dir_all(&stage).map_err(|error| unwritable(&stage, &error))?;
    }
    Ok(made.report(plan, log_dir, show.checks))
}

/// The files and values of the signing part.
struct Made {
    files: checks::Files,
    dkg_ms: u64,
    sign_ms: u64,
    reshare: Reshare,
    log_size: u64,
    proof_file: PathBuf,
}

impl<T: FnMut(Step)> Show<'_, T> {
    async fn play(
        &mut self,
        cluster: &mut Cluster,
        document: &(String, Vec<u8>),
    ) -> Result<Made, Problem> {
        let ada = self.name(0)?;
        let client = cluster.client(&ada).await?;
        let board = definition(GROUP, self.names, self.plan.min_signers)?;
        let group = self.generate_key(&client, board).await?;
        let dkg_ms = group.dkg_ms.unwrap_or_default();
        let key = group.verifying_key.unwrap_or_default();
        let of = format!("any {} of {} can sign", self.plan.min_signers, self.plan.members);
        self.done("key ceremony", format!("{of}; nobody holds the key ({dkg_ms} ms)"));

        let started = Instant::now();
        let ssh = self.request(&client, document, GROUP, "ssh").await?;
        let approvers = self.approve(cluster, ssh, self.plan.min_signers).await?;
        let ssh = signed(&client, ssh).await?;
        let sign_ms = milliseconds(started);
        self.done("request", format!("{} asks {GROUP} to sign {}", ada, document.0));
        self.done("approvals", approvers);
        self.done("signature", format!("made by {} ({sign_ms} ms)", join(&ssh.signers)));
        let raw = self.request(&client, document, GROUP, "raw").await?;
        self.approve(cluster, raw, self.plan.min_signers).await?;
        let raw = signed(&client, raw).await?;

        let files = checks::Files::write(&self.plan.directory, document, &key, &ssh, &raw)?;
        self.check_files(&files).await?;
        let reshare = self.reshare(cluster, &client, document).await?;
        self.lose_a_node(cluster, &client, document).await?;
        let proof_file = self.prove(&client, &ssh).await?;
        let log_size = match client.ask(Query::Status).await? {
            Answer::Status(status) => status.log_size,
            other => return Err(unexpected(&other)),
        };
        Ok(Made { files, dkg_ms, sign_ms, reshare, log_size, proof_file })
    }

    /// Has as many members approve as are needed besides the requester, whose request is its
    /// consent.
    async fn approve(
        &self,
        cluster: &Cluster,
        request: EntryId,
        needed: u16,
    ) -> Result<String, Problem> {
        let approvers: Vec<AccountName> = self
            .names
            .iter()
            .skip(1)
            .take(usize::from(needed).saturating_sub(1))
            .cloned()
            .collect();
        for name in &approvers {
            let client = cluster.client(name).await?;
            await_request(&client, request).await?;
            client.order(Command::Approve(Motion::Request(request))).await?;
        }
        Ok(format!("{} (each node fetched the file and hashed it itself)", join(&approvers)))
    }

    async fn check_files(&mut self, files: &checks::Files) -> Result<(), Problem> {
        let ssh = files.ssh_keygen(&files.document).await?;
        self.checked(
            "ssh-keygen",
            checks::accepted(ssh),
            "ssh-keygen -Y verify accepts it".to_owned(),
        );
        let openssl = files.openssl(&files.document).await?;
        self.checked(
            "openssl",
            checks::accepted(openssl),
            "openssl pkeyutl -verify accepts it".to_owned(),
        );
        let tampered = files.tampered_copy()?;
        let ssh = files.ssh_keygen(&tampered).await?;
        let openssl = files.openssl(&tampered).await?;
        let check = checks::refused(&[ssh, openssl], files.verifies(&tampered)?);
        self.checked(
            "tampered-copy",
            check,
            "one bit flipped: every verifier rejects it".to_owned(),
        );
        Ok(())
    }

    /// Kills a node that is not needed, and has the others sign again.
    async fn lose_a_node(
        &mut self,
        cluster: &mut Cluster,
        client: &Client,
        document: &(String, Vec<u8>),
    ) -> Result<(), Problem> {
        const WHAT: &str = "node-killed";
        if self.plan.min_signers == self.plan.members {
            let why = "every node is needed in this group".to_owned();
            self.checked(WHAT, Check::Skipped { why }, "signing without one node".to_owned());
            return Ok(());
        }
        let victim = self.name(self.names.len().saturating_sub(1))?;
        cluster.kill(&victim).await?;
        let request = self.request(client, document, GROUP, "raw").await?;
        self.approve(cluster, request, self.plan.min_signers).await?;
        let view = signed(client, request).await?;
        let key = view.verifying_key.clone().unwrap_or_default();
        let holds = Signed::new(&key, &view)?.is_of(&document.1);
        let check = match holds {
            true => Check::Passed,
            false => Check::Failed { why: "the signature does not verify".to_owned() },
        };
        let text = format!("{victim} killed; signed again by {}", join(&view.signers));
        self.checked(WHAT, check, text);
        Ok(())
    }

    /// Proves with only the log's key that the signature's entry is in the log.
    async fn prove(&mut self, client: &Client, view: &RequestView) -> Result<PathBuf, Problem> {
        let index = view.signature_index.unwrap_or_default();
        let path = self.plan.directory.join("signature.tlog-proof");
        match client.ask(Query::Prove { index }).await? {
            Answer::Proof { entry, proof, log_key } => {
                write(&path, proof.as_bytes())?;
                let check = checks::inclusion(&entry.0, &proof, &log_key);
                let text = format!("the signature is entry {index} of the log, by a Merkle proof");
                self.checked("inclusion-proof", check, text);
                Ok(path)
            }
            other => Err(unexpected(&other)),
        }
    }

    fn audit(&mut self, log: &Path, documents: &Path) {
        let check = checks::audit(log, documents);
        let text =
            "the whole log replayed offline: every entry, key share and signature".to_owned();
        self.checked("log-verify", check, text);
    }
}

impl Made {
    fn report(
        self,
        plan: &Plan,
        log_dir: PathBuf,
        checks: BTreeMap<&'static str, Check>,
    ) -> Report {
        let word = |check: &Check| match check {
            Check::Passed => "passed",
            Check::Failed { .. } => "failed",
            Check::Skipped { .. } => "skipped",
        };
        let reasons = checks
            .iter()
            .filter_map(|(name, check)| match check {
                Check::Passed => None,
                Check::Failed { why } | Check::Skipped { why } => Some((*name, why.clone())),
            })
            .collect();
        Report {
            document: self.files.document,
            verifying_key: self.files.verifying_key,
            public_key_file: self.files.public_key,
            signature_file: self.files.raw_signature,
            sshsig_file: self.files.ssh_signature,
            allowed_signers_file: self.files.allowed_signers,
            ssh_identity: checks::IDENTITY.to_owned(),
            min_signers: plan.min_signers,
            max_signers: plan.members,
            dkg_ms: self.dkg_ms,
            sign_ms: self.sign_ms,
            reshare: self.reshare,
            log_size: self.log_size,
            log_dir,
            proof_file: self.proof_file,
            checks: checks.iter().map(|(name, check)| (*name, word(check))).collect(),
            reasons,
        }
    }
}

/// Waits until a node has received a request, which the coordinator sends to all members at the
/// same time.
async fn await_request(client: &Client, request: EntryId) -> Result<(), Problem> {
    let ask = || Query::Request { id: request.to_string(), watch: false };
    hears("the request", || async { client.ask(ask()).await.ok() }).await.map(drop)
}

fn names(plan: &Plan) -> Result<Vec<AccountName>, Problem> {
    let bad = |what: String| Problem::new(Code::Usage, what);
    if plan.members < 2 || plan.members > 30 {
        return Err(bad("--members must be 2 to 30: each is a process of its own".to_owned()));
    }
    if plan.min_signers < 2 || plan.min_signers > plan.members {
        let what = format!(
            "--min-signers must be 2 to {}: a quorum of one is an ordinary key",
            plan.members
        );
        return Err(bad(what));
    }
    (0..usize::from(plan.members))
        .map(|index| match NAMES.get(index) {
            Some(name) => name.parse(),
            None => format!("member-{}", index + 1).parse(),
        })
        .collect::<Result<_, _>>()
        .map_err(|error: quorate_ceremony::names::NameError| bad(error.to_string()))
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn read_document(plan: &Plan) -> Result<(String, Vec<u8>), Problem> {
    let Some(path) = &plan.file else {
        return Ok(("contract.txt".to_owned(), SAMPLE.as_bytes().to_vec()));
    };
    let limit = Limits::default().document_bytes;
    let unusable = |what: String| {
        Problem::new(Code::Failed, what).hint("leave the file out to sign a sample contract")
    };
    let shown = path.display();
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => unusable(format!("there is no file {shown} here")),
        _ => unusable(format!("{shown} cannot be read: {error}")),
    })?;
    if metadata.is_dir() {
        return Err(unusable(format!("{shown} is a directory, not a file")));
    }
    // The name and the salt count, too.
    if metadata.len().saturating_add(512) > limit {
        let has = size(metadata.len());
        return Err(unusable(format!("{shown} has {has}; at most {} can be signed", size(limit))));
    }
    let bytes = std::fs::read(path)
        .map_err(|error| unusable(format!("{shown} cannot be read: {error}")))?;
    let name = path
        .file_name()
        .map_or_else(|| "document".to_owned(), |name| name.to_string_lossy().into());
    Ok((name, bytes))
}

fn make_directory(path: &Path) -> Result<(), Problem> {
    create(path)?;
    let mut inside = std::fs::read_dir(path).map_err(|error| unwritable(path, &error))?;
    if inside.next().is_some() {
        let message =
            format!("{} is not empty; the demonstration overwrites nothing", path.display());
        return Err(Problem::new(Code::Failed, message).hint("give another directory with --dir"));
    }
    Ok(())
}

fn copy_directory(from: &Path, to: &Path) -> Result<(), Problem> {
    create(to)?;
    for entry in std::fs::read_dir(from).map_err(|error| unwritable(from, &error))? {
        let entry = entry.map_err(|error| unwritable(from, &error))?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target).map_err(|error| unwritable(&target, &error))?;
        }
    }
    Ok(())
}
