//! Views as JSON for programs: the data, with the sentences for people.

use quorate_ceremony::names::Timestamp;
use quorate_ceremony::state::{Health, PastChange};
use serde::Serialize;
use serde_json::{Value, json};

use super::account::{account_sentence, membership};
use super::change::change_sentence;
use super::entry::entry_sentence;
use super::group::{change_end, group_advice, group_sentence, is_done, proposed};
use super::request::{request_sentence, warnings};
use super::share::{hindered, share_state, shares};
use super::status::{blocked_advice, blocked_sentence, status_sentence, trouble_sentence};
use crate::api::{
    AccountView, ChangeView, EntryView, GroupView, RequestStage, RequestView, Share, StatusView,
};

fn with<const N: usize>(view: &impl Serialize, members: [(&str, Value); N]) -> Value {
    let mut value = serde_json::to_value(view).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        for (name, member) in members {
            object.insert(name.to_owned(), member);
        }
    }
    value
}

pub(crate) fn each<'a, T: 'a>(views: &'a [T], of: impl Fn(&'a T) -> Value) -> Vec<Value> {
    views.iter().map(of).collect()
}

pub(crate) fn group(view: &GroupView, now: Timestamp) -> Value {
    let members = each(&view.members, |member| {
        let share = member.share.map_or(Value::Null, share);
        with(member, [("share", share)])
    });
    let refresh = view.refresh.as_ref().map(|refresh| {
        let hindered = hindered(&view.name, &refresh.hindered_by);
        let hindered = hindered.map(|(why, what)| json!({ "sentence": why, "advice": what }));
        with(refresh, [("hindered", hindered.into())])
    });
    with(
        view,
        [
            ("sentence", group_sentence(view).into()),
            ("advice", group_advice(view).into()),
            ("shares", view.signing.map(|_| shares(view, now)).into()),
            ("members", members.into()),
            ("refresh", refresh.into()),
            ("past_change", view.past_change.as_ref().map(past_change).into()),
            ("change", view.change.as_deref().map(change).into()),
        ],
    )
}

fn share(share: Share) -> Value {
    match share.proved() {
        Some(proved) => json!({ "state": share_state(share), "proved": proved }),
        None => json!({ "state": share_state(share) }),
    }
}

fn past_change(past: &PastChange) -> Value {
    with(
        past,
        [
            ("group", past.proposal.definition.name.to_string().into()),
            ("done", is_done(past).into()),
            ("what", proposed(past).into()),
            ("end", change_end(past).into()),
        ],
    )
}

pub(crate) fn change(view: &ChangeView) -> Value {
    with(view, [("sentence", change_sentence(view).into())])
}

pub(crate) fn request(view: &RequestView) -> Value {
    let (state, refused) = match &view.state {
        RequestStage::Refused { refused } => ("refused", Some(refused.to_string())),
        RequestStage::Open => ("open", None),
        RequestStage::Approved => ("approved", None),
        RequestStage::Rejected => ("rejected", None),
        RequestStage::Withdrawn => ("withdrawn", None),
        RequestStage::GroupRetired => ("group-retired", None),
        RequestStage::Expired => ("expired", None),
        RequestStage::Signed => ("signed", None),
    };
    let sentence = request_sentence(view);
    with(
        view,
        [
            ("sentence", sentence.into()),
            ("state", state.into()),
            ("refused", refused.into()),
            ("warnings", warnings(view).into()),
        ],
    )
}

pub(crate) fn account(view: &AccountView) -> Value {
    let groups = each(&view.groups, |member| {
        let share = match member.health {
            None => "no-key",
            Some(Health::Unable(_)) => "unable",
            Some(health) => share_state(Share::Shown(health)),
        };
        let proved = member.health.and_then(|health| Share::Shown(health).proved());
        json!({
            "group": member.group, "share": share, "detail": membership(member), "proved": proved,
        })
    });
    with(view, [("sentence", account_sentence(view).into()), ("groups", groups.into())])
}

/// Contains only the sentence of the entry's statement.
pub(crate) fn entry(view: &EntryView) -> Value {
    let mut value = with(view, [("sentence", entry_sentence(view).into())]);
    if let Some(object) = value.as_object_mut() {
        object.remove("body");
    }
    value
}

pub(crate) fn status(view: &StatusView) -> Value {
    let blocked = view.hindrance.as_ref().map(|blocked| {
        let advice = blocked_advice(blocked, &view.account);
        json!({ "sentence": blocked_sentence(blocked), "advice": advice })
    });
    let trouble = view
        .trouble
        .as_ref()
        .map(|trouble| with(trouble, [("sentence", trouble_sentence(trouble).into())]));
    let groups = each(&view.groups, |view_of| group(view_of, view.now));
    with(
        view,
        [
            ("sentence", status_sentence(view).into()),
            ("hindrance", blocked.into()),
            ("trouble", trouble.into()),
            ("groups", groups.into()),
        ],
    )
}
