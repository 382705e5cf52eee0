//! Packets that arrive late and in a different order: a queue of the kernel's packet filter that is
//! emptied at random times.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nfq::{Message, Queue, Verdict};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore as _, SeedableRng as _};

/// The number of the queue in the test's network namespace.
const QUEUE: u16 = 0;
/// The pause between two reads of the queue.
const LOOK: Duration = Duration::from_micros(300);
/// The capacity of the queue: more than two TCP windows for each host of a test.
const LONGEST: u32 = 100_000;

/// Holds back the packets of [hosts](Self::host) until it is dropped. Only in
/// [`lab::isolated`](super::lab::isolated) processes.
#[derive(Debug)]
pub struct Shuffle {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Shuffle {
    /// Delays each packet by a random time of at most `most`.
    pub fn start(most: Duration) -> Result<Self, Error> {
        // Some kernels have this kind of queue but not the one of nft.
        iptables("-N shuffled")?;
        iptables(&format!("-A shuffled -j NFQUEUE --queue-num {QUEUE} --queue-bypass"))?;
        let mut queue = Queue::open()?;
        queue.bind(QUEUE)?;
        queue.set_queue_max_len(QUEUE, LONGEST)?;
        queue.set_nonblocking(true);
        let over = Arc::new(AtomicBool::new(false));
        let until = over.clone();
        let thread = std::thread::spawn(move || shuffle(&mut queue, most, &until));
        Ok(Self { over, thread: Some(thread) })
    }

    /// Starts to hold back the packets of this host, in both directions.
    pub fn host(&self, name: &str) {
        iptables(&format!("-A INPUT -i p-{name} -j shuffled")).unwrap();
        iptables(&format!("-A OUTPUT -o p-{name} -j shuffled")).unwrap();
    }
}

fn iptables(line: &str) -> Result<(), Error> {
    let output = Command::new("iptables").args(line.split_whitespace()).output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(Error::other(format!("iptables {line}: {}", String::from_utf8_lossy(&output.stderr))))
    }
}

impl Drop for Shuffle {
    fn drop(&mut self) {
        for chain in ["INPUT", "OUTPUT", "shuffled"] {
            // If this fails, the rules disappear with their namespace.
            drop(iptables(&format!("-F {chain}")));
        }
        self.over.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn shuffle(queue: &mut Queue, most: Duration, over: &AtomicBool) {
    let mut random = ChaCha20Rng::seed_from_u64(0);
    let mut held: BTreeMap<(Instant, u64), Message> = BTreeMap::new();
    let mut number = 0;
    let range = u64::try_from(most.as_micros()).unwrap().max(1);
    while !over.load(Ordering::Relaxed) {
        loop {
            match queue.recv() {
                Ok(message) => {
                    number += 1;
                    let late = Duration::from_micros(random.next_u64() % range);
                    held.insert((Instant::now() + late, number), message);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("the kernel's queue of packets: {error}"),
            }
        }
        while let Some(first) = held.first_entry().filter(|first| first.key().0 <= Instant::now()) {
            let mut message = first.remove();
            message.set_verdict(Verdict::Accept);
            queue.verdict(message).unwrap();
        }
        // tidy: sleep because packets are to be late in real time
        std::thread::sleep(LOOK);
    }
}
