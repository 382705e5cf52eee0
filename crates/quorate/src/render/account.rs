//! Accounts for people.

use quorate_ceremony::names::Timestamp;
use quorate_ceremony::state::{Health, Shortfall};

use super::{Page, Tone, commas, relative};
use crate::api::{AccountView, MembershipView, Share, Standing};

/// Describes the state of an account in one sentence.
pub(crate) fn account_sentence(view: &AccountView) -> String {
    let name = &view.account;
    let groups = commas(view.groups.iter().map(|member| &member.group));
    let member_of = match view.groups.is_empty() {
        true => "a member of no group".to_owned(),
        false => format!("a member of {groups}"),
    };
    match view.standing {
        Standing::Removed => {
            let rest = match view.groups.is_empty() {
                true => String::new(),
                false => format!(" It still has a place in {groups}, where it cannot sign."),
            };
            let entry = view.removed.unwrap_or_default();
            format!("{name} was removed by entry {entry}; the name is not used again.{rest}")
        }
        Standing::Suspended => format!(
            "{name} is suspended: its node may not connect, and it has no vote until it is resumed; {member_of}."
        ),
        Standing::Active if view.duplicated => {
            format!("{name} runs two copies of its node, and so cannot sign; {member_of}.")
        }
        Standing::Active if view.online => format!("{name} is online; {member_of}."),
        Standing::Active => format!("{name} is offline; {member_of}."),
    }
}

/// Describes the state of an account's share of a group's key.
pub(crate) fn membership(view: &MembershipView) -> String {
    match view.health {
        None => "the group has no key yet".to_owned(),
        Some(Health::Healthy { .. }) => "its share can be used".to_owned(),
        Some(Health::Silent { .. }) => {
            "nothing has shown for days that it still has its share".to_owned()
        }
        Some(Health::Doubled) => "two copies of its node run, and neither signs".to_owned(),
        Some(Health::Unable(why)) => why.to_string(),
    }
}

/// `board: 2 of 3 sign, 1 healthy would be left`.
pub(crate) fn shortfall(short: &Shortfall) -> String {
    let Shortfall { group, min_signers, members, healthy } = short;
    format!("{group}: {min_signers} of {members} sign, {healthy} healthy would be left")
}

fn tone(account: &AccountView) -> Tone {
    match account.standing {
        Standing::Active if account.duplicated => Tone::Bad,
        Standing::Active if account.online => Tone::Good,
        Standing::Active | Standing::Removed => Tone::Faint,
        Standing::Suspended => Tone::Bad,
    }
}

pub(crate) fn account_line(page: &mut Page, account: &AccountView) {
    let is = match account.standing {
        Standing::Removed => "removed",
        Standing::Suspended => "suspended",
        Standing::Active if account.duplicated => "two copies of its node run",
        Standing::Active if account.online => "online",
        Standing::Active => "offline",
    };
    let mut text = format!("{}: {is}", account.account);
    if !account.roles.is_empty() {
        text.push_str(&format!(" ({})", commas(&account.roles)));
    }
    if !account.groups.is_empty() {
        text.push_str(&format!("; {}", commas(account.groups.iter().map(|it| &it.group))));
    }
    page.item(tone(account), text);
}

pub(crate) fn account_details(page: &mut Page, view: &AccountView, now: Timestamp) {
    page.verdict(tone(view), account_sentence(view));
    if !view.roles.is_empty() {
        page.field("roles", commas(&view.roles));
    }
    if let Some(identity) = &view.identity {
        page.field("identity key", hex::encode(identity.0));
    }
    if let (Some(admitted), Some(keyed)) = (view.admitted, view.keyed) {
        page.field("admitted", format!("by entry {admitted} of the log"));
        if keyed != admitted {
            page.field("present keys", format!("since entry {keyed}"));
        }
    }
    if let Some(removed) = view.removed {
        page.field("removed", format!("by entry {removed} of the log"));
    }
    if !view.groups.is_empty() {
        page.title("Groups");
    }
    for group in &view.groups {
        let tone = match group.health {
            Some(Health::Healthy { .. }) => Tone::Good,
            None | Some(Health::Silent { .. }) => Tone::Warn,
            Some(Health::Doubled | Health::Unable(_)) => Tone::Bad,
        };
        let proved = group.health.and_then(|health| Share::Shown(health).proved());
        let shown = proved.map(|proved| format!("; last proved {}", relative(now, proved)));
        let (detail, shown) = (membership(group), shown.unwrap_or_default());
        page.item(tone, format!("{}: {detail}{shown}", group.group));
    }
    if !view.shortfalls.is_empty() {
        page.title(format!("Without {}", view.account));
    }
    for short in &view.shortfalls {
        page.item(if short.is_fatal() { Tone::Bad } else { Tone::Warn }, shortfall(short));
    }
}
