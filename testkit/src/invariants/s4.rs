//! S4: secrets.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use quorate_ceremony::effect::{CoordinatorChange, NodeChange};
use quorate_ceremony::message::FromCoordinator;
use quorate_ceremony::names::AccountName;

use super::{Invariant, Seen, Violation};
use crate::world::World;

/// The position of the signing share in a stored key package: see
/// `quorate_protocol::keys::KeyPackage::to_bytes`.
const SHARE: std::ops::Range<usize> = 6..38;
/// How many layers of encoding are removed.
const LAYERS: usize = 6;

/// All secrets in the simulation, and everything that left a node.
pub(crate) struct Secrets {
    /// The needles by their first two bytes: each secret in plain, in hexadecimal and in base64.
    needles: BTreeMap<[u8; 2], Vec<(Vec<u8>, String)>>,
    /// Whether any needle begins with these two bytes. This is a fast filter, because it runs for
    /// every byte sent.
    begins: Vec<bool>,
    known: BTreeSet<Vec<u8>>,
    /// Everything that left a node, with all layers of encoding.
    left: Vec<Vec<u8>>,
    looked_at: HashSet<Vec<u8>>,
}

impl Default for Secrets {
    fn default() -> Self {
        Self {
            needles: BTreeMap::new(),
            begins: vec![false; 1 << 16],
            known: BTreeSet::new(),
            left: Vec::new(),
            looked_at: HashSet::new(),
        }
    }
}

impl Secrets {
    /// S4: "no share leaves a node in the clear; nothing the coordinator holds or sees helps it to
    /// sign".
    ///
    /// Searches everything that was ever sent, or that the coordinator stores, for all signing
    /// shares on nodes' disks and all accounts' private keys: in plain, hexadecimal and base64,
    /// under any layers of base64, hexadecimal and JSON. The search includes what was sent before
    /// the share was on a disk.
    pub(crate) fn s4_no_share_is_in_anything_sent_or_stored_elsewhere(
        &mut self,
        world: &World,
        seen: &Seen<'_>,
    ) -> Result<(), Violation> {
        if self.known.is_empty() {
            for (name, secrets) in &world.secrets {
                for key in [secrets.identity, secrets.cosigner, secrets.invitation] {
                    self.learn(&key, name);
                }
            }
        }
        match seen {
            Seen::NodeStored(by, NodeChange::KeyPackage { package, .. }) => {
                let bytes = package.to_bytes();
                let share = bytes.get(SHARE).unwrap_or_default();
                self.learn(share, by);
                self.left.iter().try_for_each(|left| self.search(left))
            }
            Seen::NodeSent(_, _, bytes) => self.look_at(bytes),
            // Entries are sent from the disk unchanged, and were searched when they were stored.
            Seen::CoordinatorSent(_, FromCoordinator::Log { .. }, _) => Ok(()),
            Seen::CoordinatorSent(_, _, bytes) => self.look_at(bytes),
            Seen::Appended(entry) => self.look_at(&entry.to_bytes()),
            Seen::CoordinatorStored(CoordinatorChange::Checkpoint { note: text, .. })
            | Seen::CoordinatorStored(CoordinatorChange::Cosignature { line: text, .. }) => {
                self.look_at(text.as_bytes())
            }
            Seen::NodeStored(..) | Seen::NodeDone(..) => Ok(()),
        }
    }

    fn learn(&mut self, secret: &[u8], of: &AccountName) {
        if !self.known.insert(secret.to_vec()) {
            return;
        }
        let mut forms = vec![secret.to_vec(), hex::encode(secret).into_bytes()];
        // Within longer base64 a secret begins at one of three places in a group of four
        // characters. The characters at its edges depend on the neighbouring bytes.
        for shift in 0..3 {
            let text = STANDARD_NO_PAD.encode([&vec![0; shift], secret].concat());
            forms.push(text.bytes().skip(shift * 2).take(38).collect());
        }
        for form in forms {
            if let [first, second, ..] = *form {
                if let Some(begins) =
                    self.begins.get_mut(usize::from(u16::from_be_bytes([first, second])))
                {
                    *begins = true;
                }
                self.needles.entry([first, second]).or_default().push((form, of.to_string()));
            }
        }
    }

    fn look_at(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        if !self.looked_at.insert(bytes.to_vec()) {
            return Ok(());
        }
        let mut layers = Vec::new();
        unwrap(bytes, LAYERS, &mut layers);
        for layer in layers {
            self.search(&layer)?;
            self.left.push(layer);
        }
        Ok(())
    }

    fn search(&self, bytes: &[u8]) -> Result<(), Violation> {
        for (position, pair) in bytes.windows(2).enumerate() {
            let &[first, second] = pair else { continue };
            if self.begins.get(usize::from(u16::from_be_bytes([first, second]))) != Some(&true) {
                continue;
            }
            let Some(needles) = self.needles.get(&[first, second]) else { continue };
            let rest = bytes.get(position..).unwrap_or_default();
            for (needle, of) in needles {
                Invariant::S4.check(!rest.starts_with(needle), || {
                    format!("a secret of {of} left its node")
                })?;
            }
        }
        Ok(())
    }
}

/// Returns these bytes, and all bytes that are encoded in them.
fn unwrap(bytes: &[u8], layers: usize, out: &mut Vec<Vec<u8>>) {
    out.push(bytes.to_vec());
    if layers > 0
        && let Ok(json) = serde_json::from_slice::<serde_json::Value>(bytes)
    {
        unwrap_json(&json, layers, out);
    }
}

fn unwrap_json(json: &serde_json::Value, layers: usize, out: &mut Vec<Vec<u8>>) {
    match json {
        serde_json::Value::String(text) => {
            if let Ok(inside) = hex::decode(text) {
                unwrap(&inside, layers - 1, out);
            } else if let Ok(inside) = STANDARD.decode(text) {
                unwrap(&inside, layers - 1, out);
            }
        }
        serde_json::Value::Array(items) => {
            items.iter().for_each(|item| unwrap_json(item, layers, out));
        }
        serde_json::Value::Object(fields) => {
            fields.values().for_each(|item| unwrap_json(item, layers, out));
        }
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}
