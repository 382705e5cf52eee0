//! What metadata says, for people who approve it.

use serde_json::{Map, Value};

use crate::preview::Preview;

/// Lines for targets, roles and files in a preview.
const LINES: usize = 20;

pub(super) fn preview(
    signed: &Value,
    role: &str,
    version: u64,
    expires: &str,
    key_id: &str,
) -> Preview {
    let mut preview = Preview::of(&format!("TUF {role} metadata"));
    preview = preview.field("version", version.to_string()).field("expires", expires);
    let mut lines = Vec::new();
    match role {
        "root" => {
            let consistent = signed.get("consistent_snapshot").and_then(Value::as_bool);
            let consistent = if consistent == Some(true) { "yes" } else { "no" };
            preview = preview.field("consistent snapshots", consistent);
            let roles = entries(signed.get("roles"));
            lines.extend(roles.map(|(name, role)| ("role", format!("{name}: {}", keys(role)))));
        }
        "targets" => {
            let targets = entries(signed.get("targets"));
            lines.extend(targets.map(|(name, file)| ("target", format!("{name} {}", facts(file)))));
            let delegations = signed.get("delegations").and_then(|found| found.get("roles"));
            let roles = delegations.and_then(Value::as_array).into_iter().flatten();
            lines.extend(roles.map(|role| ("delegates to", delegation(role))));
            if let Some(bins) = signed.get("delegations").and_then(|it| it.get("succinct_roles")) {
                lines.push(("delegates to", delegation(bins)));
            }
        }
        _ => {
            let files = entries(signed.get("meta"));
            lines.extend(files.map(|(name, file)| ("file", format!("{name} {}", facts(file)))));
        }
    }
    let mut warnings = Vec::new();
    if role == "root" && !entries(signed.get("keys")).any(|(id, _)| id == key_id) {
        warnings.push("the group's key is not among the keys of this root".to_owned());
    }
    let more = lines.len().saturating_sub(LINES);
    if more > 0 {
        warnings.push(format!("{more} more lines are not listed here; look at the file itself"));
    }
    for (name, value) in lines.into_iter().take(LINES) {
        preview = preview.field(name, value);
    }
    match warnings.is_empty() {
        true => preview,
        false => preview.warn(warnings.join("; ")),
    }
}

fn entries(object: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    object.and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

fn delegation(role: &Value) -> String {
    let name = role.get("name").or_else(|| role.get("name_prefix")).and_then(Value::as_str);
    let paths = role.get("paths").or_else(|| role.get("path_hash_prefixes"));
    let paths = paths.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let paths = paths.collect::<Vec<_>>().join(", ");
    let name = name.unwrap_or("(without a name)");
    match paths.is_empty() {
        true => format!("{name}: {}", keys(role)),
        false => format!("{name} for {paths}: {}", keys(role)),
    }
}

/// `2 of 3 keys: …`
fn keys(role: &Value) -> String {
    let ids = role.get("keyids").and_then(Value::as_array).into_iter().flatten();
    let ids: Vec<&str> = ids.filter_map(Value::as_str).collect();
    // tidy: word because it is a field of TUF.
    let needed = role.get("threshold").map(Value::to_string).unwrap_or_default();
    format!("{needed} of {} keys: {}", ids.len(), ids.join(", "))
}

/// The version, length and hashes of a file.
fn facts(file: &Value) -> String {
    let version = file.get("version").map(|version| format!("version {version}"));
    let length = file.get("length").map(|length| format!("{length} bytes"));
    let hashes = entries(file.get("hashes"))
        .map(|(name, hash)| format!("{name}:{}", hash.as_str().unwrap_or("(none)")));
    version.into_iter().chain(length).chain(hashes).collect::<Vec<_>>().join(" ")
}
