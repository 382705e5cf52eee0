//! Measures a whole IVN: the demonstration's processes, with nodes that approve automatically.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_ceremony::entry::GroupDefinition;
use quorate_ceremony::names::{AccountName, GroupName, NameError};
use serde::Serialize;
use tokio::task::JoinSet;

use super::cluster::Cluster;
use super::reshare::approve;
use super::stage::{GROUP, NAMESPACE, definition, settled, signed};
use crate::api::{Code, Command, Problem, Proposal, SignAsk};
use crate::launch::Client;
use crate::setup::join::Choices;

#[derive(Debug, Serialize)]
pub(crate) struct Measurements {
    end_to_end: Vec<EndToEnd>,
    dkg: Vec<Dkg>,
    reshare: Vec<Reshare>,
    change: Vec<Change>,
}

/// From a request to its signature, the durable log included.
#[derive(Debug, Serialize)]
struct EndToEnd {
    members: usize,
    min_signers: u16,
    concurrency: usize,
    requests: usize,
    p50_ms: f64,
    p99_ms: f64,
    per_second: f64,
}

/// From a group's acceptance to its key in use.
#[derive(Debug, Serialize)]
struct Dkg {
    min_signers: u16,
    max_signers: usize,
    ms: u64,
}

/// Repeated new shares during signing. A request that fails ends the measurement with its problem,
/// so these figures are of runs without failures.
#[derive(Debug, Serialize)]
struct Reshare {
    min_signers: u16,
    max_signers: usize,
    concurrency: usize,
    /// How many times new shares came into use during the requests.
    reshares: usize,
    /// From the start of a session to its shares in use, by the log's times: the median.
    p50_ms: u64,
    /// All requests of that period, each of them signed.
    requests: usize,
    /// From a request to its signature.
    request_p50_ms: f64,
    request_p99_ms: f64,
    request_longest_ms: f64,
}

/// A group of [`FEW`] that becomes one of all, with a different threshold, while nothing else
/// happens.
#[derive(Debug, Serialize)]
struct Change {
    old_min_signers: u16,
    old_max_signers: usize,
    min_signers: u16,
    max_signers: usize,
    /// How many groups changed, one after the other.
    times: usize,
    /// From the start of a session to its shares in use, by the log's times: the median.
    p50_ms: u64,
}

/// How many members a group has before it changes, how many of them sign, and how many such groups
/// there are.
const FEW: usize = 3;
const FEW_SIGN: u16 = 2;
const CHANGES: usize = 9;

/// Measures `requests` signatures one after another and as many `concurrency` at a time, for 2-of-3
/// and 3-of-5.
pub(crate) async fn measure(
    directory: &Path,
    requests: usize,
    concurrency: usize,
) -> Result<Measurements, Problem> {
    let mut measurements = Measurements {
        end_to_end: Vec::new(),
        dkg: Vec::new(),
        reshare: Vec::new(),
        change: Vec::new(),
    };
    for (min_signers, members) in [(2, 3), (3, 5)] {
        let place = directory.join(format!("{min_signers}-of-{members}"));
        std::fs::create_dir_all(&place)
            .map_err(|error| Problem::new(Code::Failed, error.to_string()))?;
        let names: Vec<AccountName> = (1..=members)
            .map(|number| format!("node-{number}").parse())
            .collect::<Result<_, NameError>>()
            .map_err(|error| Problem::new(Code::Failed, error.to_string()))?;
        let choices = Choices { auto_accept: true, auto_approve: true };
        let cluster = Cluster::start(&place, &names, choices).await?;
        let result = measure_one(&cluster, &names, min_signers, requests, concurrency).await;
        let change = match result.is_ok() && names.len() > FEW {
            true => measure_changes(&cluster, &names, min_signers).await.map(Some),
            false => Ok(None),
        };
        cluster.stop().await?;
        let (end_to_end, dkg, reshare) = result?;
        measurements.change.extend(change?);
        measurements.end_to_end.extend(end_to_end);
        measurements.dkg.push(dkg);
        measurements.reshare.push(reshare);
    }
    Ok(measurements)
}

async fn measure_one(
    cluster: &Cluster,
    names: &[AccountName],
    min_signers: u16,
    requests: usize,
    concurrency: usize,
) -> Result<(Vec<EndToEnd>, Dkg, Reshare), Problem> {
    let first = names.first().ok_or_else(|| Problem::new(Code::Usage, "no members"))?;
    let client = Arc::new(cluster.client(first).await?);
    let mut definition = definition(GROUP, names, min_signers)?;
    definition.policy.rule.auto_approve = true;
    let name = definition.name.clone();
    client.order(Command::DefineGroup(definition.clone())).await?;
    let ready = settled(&client, &name).await?.dkg_ms;
    let ms = ready.ok_or_else(|| Problem::new(Code::Failed, "the group has no key"))?;
    let dkg = Dkg { min_signers, max_signers: names.len(), ms };
    // The first signatures have loaded everything that is loaded once.
    sign_many(&client, &name, requests.div_ceil(10), 1).await?;
    let mut rows = Vec::new();
    for concurrency in [1, concurrency] {
        let started = Instant::now();
        let mut latencies = sign_many(&client, &name, requests, concurrency).await?;
        let elapsed = started.elapsed().as_secs_f64();
        latencies.sort();
        rows.push(EndToEnd {
            members: names.len(),
            min_signers,
            concurrency,
            requests,
            p50_ms: percentile(&latencies, 50),
            p99_ms: percentile(&latencies, 99),
            #[expect(clippy::cast_precision_loss, reason = "thousands of requests")]
            per_second: requests as f64 / elapsed,
        });
    }
    let reshare = measure_reshares(&client, &definition, requests, concurrency).await?;
    Ok((rows, dkg, reshare))
}

/// Has new shares made, one set after the other, while `requests` documents are signed,
/// `concurrency` at a time.
async fn measure_reshares(
    client: &Arc<Client>,
    definition: &GroupDefinition,
    requests: usize,
    concurrency: usize,
) -> Result<Reshare, Problem> {
    let (signing, name) = (client.clone(), definition.name.clone());
    let load = tokio::spawn(async move { sign_many(&signing, &name, requests, concurrency).await });
    let mut took = Vec::new();
    let mut epoch = settled(client, &definition.name).await?.epoch.unwrap_or_default();
    while !load.is_finished() {
        let definition = definition.clone();
        let name = definition.name.clone();
        let command = Command::ChangeGroup(Proposal::new(definition, epoch));
        client.order(command).await?;
        let group = settled(client, &name).await?;
        if group.epoch <= Some(epoch) {
            return Err(Problem::new(Code::Failed, crate::render::group_sentence(&group)));
        }
        epoch = group.epoch.unwrap_or_default();
        took.extend(group.dkg_ms);
    }
    let signed = load.await.map_err(|error| Problem::new(Code::Failed, error.to_string()))?;
    let mut latencies = signed?;
    latencies.sort();
    took.sort_unstable();
    Ok(Reshare {
        min_signers: definition.min_signers,
        max_signers: definition.members.len(),
        concurrency,
        reshares: took.len(),
        p50_ms: took.get(took.len() / 2).copied().unwrap_or_default(),
        requests: latencies.len(),
        request_p50_ms: percentile(&latencies, 50),
        request_p99_ms: percentile(&latencies, 99),
        request_longest_ms: percentile(&latencies, 100),
    })
}

/// Changes small groups to all members, one group after the other.
async fn measure_changes(
    cluster: &Cluster,
    names: &[AccountName],
    min_signers: u16,
) -> Result<Change, Problem> {
    let few = names.get(..FEW).unwrap_or(names);
    let first = few.first().ok_or_else(|| Problem::new(Code::Usage, "no members"))?;
    let client = cluster.client(first).await?;
    let mut took = Vec::with_capacity(CHANGES);
    for number in 1..=CHANGES {
        let group = format!("desk-{number}");
        let before = definition(&group, few, FEW_SIGN)?;
        client.order(Command::DefineGroup(before.clone())).await?;
        let epoch = settled(&client, &before.name).await?.epoch.unwrap_or_default();
        let definition = definition(&group, names, min_signers)?;
        let command = Command::ChangeGroup(Proposal::new(definition, epoch));
        client.order(command).await?;
        approve(cluster, &before.name, names).await?;
        let group = settled(&client, &before.name).await?;
        let ms = group.dkg_ms.filter(|_| group.epoch > Some(epoch));
        took.push(
            ms.ok_or_else(|| Problem::new(Code::Failed, crate::render::group_sentence(&group)))?,
        );
    }
    took.sort_unstable();
    Ok(Change {
        old_min_signers: FEW_SIGN,
        old_max_signers: few.len(),
        min_signers,
        max_signers: names.len(),
        times: took.len(),
        p50_ms: took.get(took.len() / 2).copied().unwrap_or_default(),
    })
}

/// Signs `count` documents, `concurrency` at a time, and returns the duration of each.
async fn sign_many(
    client: &Arc<Client>,
    name: &GroupName,
    count: usize,
    concurrency: usize,
) -> Result<Vec<Duration>, Problem> {
    let mut workers = JoinSet::new();
    for worker in 0..concurrency {
        let (client, name) = (client.clone(), name.clone());
        let share = count / concurrency + usize::from(worker < count % concurrency);
        workers.spawn(async move {
            let mut latencies = Vec::with_capacity(share);
            for number in 0..share {
                let document = format!("receipt {number} of worker {worker}: EUR 12.50\n");
                let started = Instant::now();
                sign_one(&client, &name, document).await?;
                latencies.push(started.elapsed());
            }
            Ok::<_, Problem>(latencies)
        });
    }
    let mut all = Vec::with_capacity(count);
    while let Some(latencies) = workers.join_next().await {
        all.extend(latencies.map_err(|error| Problem::new(Code::Failed, error.to_string()))??);
    }
    Ok(all)
}

async fn sign_one(client: &Client, name: &GroupName, document: String) -> Result<(), Problem> {
    let ask = SignAsk {
        group: name.clone(),
        document_type: None,
        output: format!("ssh:{NAMESPACE}"),
        name: "receipt.txt".to_owned(),
        note: None,
        document: document.into_bytes(),
        expires_in: None,
    };
    let (id, _) = client.order(ask).await?;
    signed(client, id).await.map(drop)
}

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let position = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(position).map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
}
