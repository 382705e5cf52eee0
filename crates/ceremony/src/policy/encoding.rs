//! The canonical encoding of a policy, of which a request pins the hash.
//!
//! It is the encoding of [`crate::encoding::Encoder`] with the label `quorate/policy/v1` and these
//! fields:
//!
//! | tag | field | bytes |
//! |---|---|---|
//! | 1 | rule | its own fields, nested |
//! | 1.1 | `approvals_required` | 2, big-endian |
//! | 1.2 | `requester_may_approve` | 1: 0 or 1 |
//! | 1.3 | `auto_approve` | 1: 0 or 1 |
//! | 1.4 | `expiry` | 8, big-endian |
//! | 2 | governance | its own fields, nested |
//! | 2.1 | `changes_required`, if present | 2, big-endian |
//! | 2.2 | `refresh_every`, if present | 8, big-endian |
//! | 3 | a format, once for each in ascending order | its own fields, nested |
//! | 3.1 | its name | UTF-8 |
//! | 3.2 | its namespace, if present | UTF-8 |
//! | 4 | `delete_documents_after`, if present | 8, big-endian |
//!
//! A new field gets the next tag of its struct. Tags are never used again, so that the encodings of
//! existing policies never change.

use super::{Governance, OutputFormat, Policy, Rule};
use crate::encoding::Encoder;

impl Policy {
    pub(super) fn encode(&self) -> Encoder {
        let Self { rule, governance, formats, delete_documents_after } = self;
        let policy = Encoder::new("quorate/policy/v1")
            .nested(1, rule.encode())
            .nested(2, governance.encode());
        formats
            .iter()
            .fold(policy, |policy, format| policy.nested(3, format.encode()))
            .optional(4, delete_documents_after.map(u64::to_be_bytes))
    }
}

impl Rule {
    fn encode(&self) -> Encoder {
        let Self { approvals_required, requester_may_approve, auto_approve, expiry } = self;
        Encoder::default()
            .field(1, approvals_required.to_be_bytes())
            .field(2, [u8::from(*requester_may_approve)])
            .field(3, [u8::from(*auto_approve)])
            .field(4, expiry.to_be_bytes())
    }
}

impl Governance {
    fn encode(&self) -> Encoder {
        let Self { changes_required, refresh_every } = self;
        Encoder::default()
            .optional(1, changes_required.map(u16::to_be_bytes))
            .optional(2, refresh_every.map(u64::to_be_bytes))
    }
}

impl OutputFormat {
    fn encode(&self) -> Encoder {
        Encoder::default().field(1, self.name()).optional(2, self.namespace())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// Reads what [`Encoder`] wrote after the label.
    fn listed(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
        let mut fields = Vec::<(u8, &[u8])>::new();
        while let Some((tag, rest)) = bytes.split_first() {
            let (length, rest) = rest.split_first_chunk::<8>().unwrap();
            let length = usize::try_from(u64::from_be_bytes(*length)).unwrap();
            assert!(fields.last().is_none_or(|(last, _)| last <= tag), "tags ascend");
            fields.push((*tag, &rest[..length]));
            bytes = &rest[length..];
        }
        fields
    }

    /// Reads a struct without lists.
    fn fields(bytes: &[u8]) -> BTreeMap<u8, &[u8]> {
        let listed = listed(bytes);
        let fields: BTreeMap<_, _> = listed.iter().copied().collect();
        assert_eq!(fields.len(), listed.len(), "no tag occurs twice");
        fields
    }

    fn text<'a>(fields: &BTreeMap<u8, &'a [u8]>, tag: u8) -> Option<&'a str> {
        fields.get(&tag).map(|bytes| std::str::from_utf8(bytes).unwrap())
    }

    fn number<const N: usize>(fields: &BTreeMap<u8, &[u8]>, tag: u8) -> Option<[u8; N]> {
        fields.get(&tag).map(|bytes| (*bytes).try_into().unwrap())
    }

    fn decode(bytes: &[u8]) -> Policy {
        let policy = listed(bytes.strip_prefix(b"quorate/policy/v1\0").unwrap());
        let [(1, rule), (2, governance), rest @ ..] = policy.as_slice() else {
            panic!("a rule and a governance come first")
        };
        let (rule, governance) = (fields(rule), fields(governance));
        let (formats, after): (Vec<_>, Vec<_>) = rest.iter().partition(|(tag, _)| *tag == 3);
        assert!(after.len() <= 1 && after.iter().all(|(tag, _)| *tag == 4), "{after:?}");
        let formats = formats.iter().map(|(_, format)| {
            let format = fields(format);
            OutputFormat::new(text(&format, 1).unwrap(), text(&format, 2)).unwrap()
        });
        Policy {
            rule: Rule {
                approvals_required: u16::from_be_bytes(number(&rule, 1).unwrap()),
                requester_may_approve: number(&rule, 2).unwrap() == [1],
                auto_approve: number(&rule, 3).unwrap() == [1],
                expiry: u64::from_be_bytes(number(&rule, 4).unwrap()),
            },
            governance: Governance {
                changes_required: number(&governance, 1).map(u16::from_be_bytes),
                refresh_every: number(&governance, 2).map(u64::from_be_bytes),
            },
            formats: formats.collect(),
            delete_documents_after: after
                .first()
                .map(|(_, bytes)| u64::from_be_bytes((*bytes).try_into().unwrap())),
        }
    }

    prop_compose! {
        /// Small numbers, so that two policies often have the same number in different fields.
        fn policy()(
            (approvals_required, requester_may_approve, auto_approve) in (0u16..4, any::<bool>(), any::<bool>()),
            expiry in prop_oneof![0u64..4, any::<u64>()],
            changes_required in prop::option::of(0u16..4),
            refresh_every in prop::option::of(prop_oneof![0u64..4, any::<u64>()]),
            formats in prop::collection::btree_set("(a|b|ab)(:(a|b|ab|:))?", 0..4),
            delete_documents_after in prop::option::of(prop_oneof![0u64..4, any::<u64>()]),
        ) -> Policy {
            Policy {
                rule: Rule { approvals_required, requester_may_approve, auto_approve, expiry },
                governance: Governance { changes_required, refresh_every },
                formats: formats.iter().map(|format| format.parse().unwrap()).collect(),
                delete_documents_after,
            }
        }
    }

    proptest! {
        #[test]
        fn an_encoding_decodes_to_its_policy(policy in policy()) {
            prop_assert_eq!(decode(policy.encode().bytes()), policy);
        }

        #[test]
        fn distinct_policies_have_distinct_encodings(one in policy(), other in policy()) {
            prop_assert_eq!(one.encode().bytes() == other.encode().bytes(), one == other);
            prop_assert_eq!(one.hash() == other.hash(), one == other);
        }
    }

    #[test]
    fn the_bytes_are_those_that_the_table_describes() {
        let mut policy = Policy::for_min_signers(2);
        policy.rule.expiry = 258;
        policy.governance.refresh_every = Some(5);
        policy.formats = BTreeSet::from(["raw", "ssh:file"].map(|format| format.parse().unwrap()));
        let rule = b"\x01\0\0\0\0\0\0\0\x02\0\x02\
            \x02\0\0\0\0\0\0\0\x01\x01\
            \x03\0\0\0\0\0\0\0\x01\0\
            \x04\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\x01\x02";
        let governance = b"\x02\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\x05";
        let bytes = [
            b"quorate/policy/v1\0",
            b"\x01\0\0\0\0\0\0\0\x30".as_slice(),
            rule,
            b"\x02\0\0\0\0\0\0\0\x11",
            governance,
            b"\x03\0\0\0\0\0\0\0\x0c\x01\0\0\0\0\0\0\0\x03raw",
            b"\x03\0\0\0\0\0\0\0\x19\x01\0\0\0\0\0\0\0\x03ssh\x02\0\0\0\0\0\0\0\x04file",
        ];
        assert_eq!(policy.encode().bytes(), bytes.concat());
    }

    #[test]
    fn each_field_changes_the_hash() {
        let policy = Policy::for_min_signers(2);
        let with = |change: fn(&mut Policy)| {
            let mut policy = policy.clone();
            change(&mut policy);
            policy
        };
        let others = [
            with(|policy| policy.rule.approvals_required = 3),
            with(|policy| policy.rule.requester_may_approve = false),
            with(|policy| policy.rule.auto_approve = true),
            with(|policy| policy.rule.expiry = 1),
            with(|policy| policy.governance.changes_required = Some(2)),
            with(|policy| policy.governance.changes_required = Some(3)),
            with(|policy| policy.governance.refresh_every = Some(2)),
            with(|policy| policy.governance.refresh_every = Some(3)),
            with(|policy| policy.delete_documents_after = Some(2)),
            with(|policy| policy.delete_documents_after = Some(3)),
            with(|policy| policy.formats.clear()),
            with(|policy| policy.formats = BTreeSet::from(["ssh:git".parse().unwrap()])),
            with(|policy| policy.formats.extend(["raw".parse().unwrap()])),
        ];
        for other in others {
            assert_ne!(other.hash(), policy.hash(), "{other:?}");
        }
    }

    /// What a third optional field would do to an encoding that distinguishes optional fields only
    /// by their lengths.
    #[test]
    fn without_tags_the_next_optional_field_would_collide() {
        let next = |refresh: Option<u64>, next: Option<u64>| {
            [refresh, next].map(|number| number.map(u64::to_be_bytes))
        };
        let (one, other) = (next(Some(5), None), next(None, Some(5)));
        let untagged = |fields: [Option<[u8; 8]>; 2]| {
            let behind_length = |bytes: [u8; 8]| [8u64.to_be_bytes(), bytes].concat();
            fields.into_iter().flatten().flat_map(behind_length).collect::<Vec<u8>>()
        };
        assert_eq!(untagged(one), untagged(other));
        let tagged = |[refresh, next]: [Option<[u8; 8]>; 2]| {
            Encoder::default().optional(2, refresh).optional(3, next).bytes().to_vec()
        };
        assert_ne!(tagged(one), tagged(other));
    }
}
