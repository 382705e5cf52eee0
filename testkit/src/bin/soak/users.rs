//! The users of a soak: they request signatures and approve all the time, and retry what fails.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use quorate_testkit::cluster::Cluster;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore as _, SeedableRng as _};

use crate::faults::start_ended;
use crate::{MIN_SIGNERS, NAMES};

pub(crate) const DOCUMENT: &str = "contract";
/// How many requests are open at the same time.
const OPEN: usize = 8;
/// How long it may take to sign everything after all faults have ended.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A request that a command reported as logged.
#[derive(Clone, Debug)]
struct Request {
    id: String,
    requester: &'static str,
    approvals: BTreeSet<&'static str>,
}

pub(crate) struct People<'a> {
    cluster: &'a Cluster,
    random: Mutex<ChaCha20Rng>,
    open: Mutex<Vec<Request>>,
    asked: AtomicUsize,
    signed: AtomicUsize,
    over: AtomicBool,
}

/// Ends the users' work when it is dropped.
pub(crate) struct Shift<'a>(&'a AtomicBool);

impl Drop for Shift<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<'a> People<'a> {
    pub(crate) fn new(cluster: &'a Cluster, seed: u64) -> Self {
        Self {
            cluster,
            random: Mutex::new(ChaCha20Rng::seed_from_u64(seed ^ 1)),
            open: Mutex::default(),
            asked: AtomicUsize::new(0),
            signed: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        }
    }

    fn anybody(&self) -> &'static str {
        let drawn = self.random.lock().unwrap().next_u32() as usize;
        NAMES[drawn % NAMES.len()]
    }

    /// Requests and approves until the [`Shift`] is over.
    pub(crate) fn work(&self) {
        while !self.over.load(Ordering::Relaxed) {
            let open = self.open.lock().unwrap().len();
            let request = if open < OPEN { self.ask(self.anybody()) } else { self.take() };
            if let Some(mut request) = request {
                self.advance(&mut request);
            }
        }
    }

    /// Drop the returned value to stop the users.
    pub(crate) fn until_dropped(&self) -> Shift<'_> {
        Shift(&self.over)
    }

    fn ask(&self, requester: &'static str) -> Option<Request> {
        let line = format!("sign {DOCUMENT} --group board --as raw --json");
        let asked = self.cluster.run(requester, &line);
        if asked.exit != 0 {
            return None;
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        let id = asked.json()["id"].as_str().unwrap().to_owned();
        let approvals = BTreeSet::from([requester]);
        Some(Request { id, requester, approvals })
    }

    /// The request that was checked the longest time ago.
    fn take(&self) -> Option<Request> {
        let mut open = self.open.lock().unwrap();
        (!open.is_empty()).then(|| open.remove(0))
    }

    /// Lets a member approve, and checks whether the request is signed.
    fn advance(&self, request: &mut Request) {
        self.approve(request, self.anybody());
        if !self.settles(request) {
            self.open.lock().unwrap().push(request.clone());
        }
    }

    /// Lets this member approve. More members approve than necessary, because one that approved may
    /// leave the group or lose its share.
    fn approve(&self, request: &mut Request, approver: &'static str) {
        if !request.approvals.contains(approver)
            && self.cluster.run(approver, &format!("approve {} --yes", request.id)).exit == 0
        {
            request.approvals.insert(approver);
        }
    }

    /// Checks whether the request is signed, and counts it if so.
    fn settles(&self, request: &Request) -> bool {
        if request.approvals.len() < MIN_SIGNERS {
            return false;
        }
        let line = format!("request show {} --json", request.id);
        let shown = self.cluster.run(request.requester, &line);
        let signed = shown.exit == 0 && shown.json()["state"] == "signed";
        if signed {
            self.signed.fetch_add(1, Ordering::Relaxed);
        }
        signed
    }

    /// Gets one new request signed, in addition to all others.
    pub(crate) fn probe(&self) -> Result<(), String> {
        let began = Instant::now();
        let mut request = None;
        let mut started = Ok(());
        while began.elapsed() < PATIENCE {
            started = start_ended(self.cluster);
            let Some(request) = &mut request else {
                request = self.ask(self.anybody());
                continue;
            };
            for approver in NAMES {
                self.approve(request, approver);
            }
            if self.settles(request) {
                return Ok(());
            }
        }
        self.open.lock().unwrap().extend(request);
        started?;
        Err(format!("nothing was signed for {} s after all faults were over", PATIENCE.as_secs()))
    }

    /// Gets every request signed that is still open.
    pub(crate) fn finish(&self) -> Result<(), String> {
        let began = Instant::now();
        while let Some(mut request) = self.take() {
            start_ended(self.cluster)?;
            self.advance(&mut request);
            if began.elapsed() > PATIENCE {
                return Err(format!("request {} is lost", request.id));
            }
        }
        Ok(())
    }

    pub(crate) fn signed(&self) -> usize {
        self.signed.load(Ordering::Relaxed)
    }

    pub(crate) fn told(&self) -> String {
        let (asked, signed) = (self.asked.load(Ordering::Relaxed), self.signed());
        let lost = match asked - signed {
            0 => "none lost".to_owned(),
            open => format!("{open} still open"),
        };
        format!("{signed} of {asked} requests signed, {lost}")
    }
}
