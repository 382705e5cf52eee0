//! The name of a certificate's owner, as a requester writes it.

use der::Tag;
use der::asn1::{Any, ObjectIdentifier, SetOfVec};
use serde::{Deserialize, Serialize};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_parser::x509::X509Name;

use crate::certificate::visible;

/// What the document of a request for a certificate contains, in JSON.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Subject {
    common_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organizational_unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locality: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<String>,
}

/// A part of a name that we write: its type, and the most characters (RFC 5280 appendix A.1).
struct Part {
    field: &'static str,
    oid: &'static str,
    longest: usize,
}

const COUNTRY: Part = Part { field: "country", oid: "2.5.4.6", longest: 2 };
const STATE: Part = Part { field: "state", oid: "2.5.4.8", longest: 128 };
const LOCALITY: Part = Part { field: "locality", oid: "2.5.4.7", longest: 128 };
const ORGANIZATION: Part = Part { field: "organization", oid: "2.5.4.10", longest: 64 };
const UNIT: Part = Part { field: "organizational_unit", oid: "2.5.4.11", longest: 64 };
const COMMON_NAME: Part = Part { field: "common_name", oid: "2.5.4.3", longest: 64 };
const PARTS: [Part; 6] = [COUNTRY, STATE, LOCALITY, ORGANIZATION, UNIT, COMMON_NAME];

impl Subject {
    /// Reads a document.
    pub(super) fn read(document: &[u8]) -> Result<Self, String> {
        let subject: Self = serde_json::from_slice(document)
            .map_err(|error| format!("expected JSON such as {EXAMPLE}: {error}"))?;
        for (part, value) in subject.parts() {
            check(&part, value)?;
        }
        Ok(subject)
    }

    fn parts(&self) -> Vec<(Part, &str)> {
        let all = [
            (COUNTRY, self.country.as_deref()),
            (STATE, self.state.as_deref()),
            (LOCALITY, self.locality.as_deref()),
            (ORGANIZATION, self.organization.as_deref()),
            (UNIT, self.organizational_unit.as_deref()),
            (COMMON_NAME, Some(self.common_name.as_str())),
        ];
        all.into_iter().filter_map(|(part, value)| Some((part, value?))).collect()
    }

    /// As it stands in a certificate.
    pub(super) fn written(&self) -> der::Result<Name> {
        let parts = self.parts().into_iter().map(|(part, value)| {
            let tag = if part.oid == COUNTRY.oid { Tag::PrintableString } else { Tag::Utf8String };
            let value = Any::new(tag, value.as_bytes())?;
            let part = AttributeTypeAndValue { oid: ObjectIdentifier::new(part.oid)?, value };
            Ok(RelativeDistinguishedName(SetOfVec::try_from(vec![part])?))
        });
        Ok(RdnSequence(parts.collect::<der::Result<_>>()?))
    }

    /// Whether a name in a certificate is this one.
    pub(super) fn is(&self, name: &X509Name<'_>) -> bool {
        let found = name
            .iter_attributes()
            .map(|part| Some((part.attr_type().to_id_string(), part.as_str().ok()?.to_owned())));
        let expected = self.parts().into_iter();
        let expected = expected.map(|(part, value)| Some((part.oid.to_owned(), value.to_owned())));
        found.eq(expected)
    }

    pub(super) fn shown(&self) -> String {
        let parts = self.parts().into_iter();
        let parts =
            parts.map(|(part, value)| format!("{} {}", part.field.replace('_', " "), value));
        parts.collect::<Vec<_>>().join(", ")
    }
}

/// Checks the subject of a request that another program may have written.
pub(super) fn check_name(name: &X509Name<'_>) -> Result<(), String> {
    let mut has_common_name = false;
    for found in name.iter_attributes() {
        let oid = found.attr_type().to_id_string();
        let part = PARTS.iter().find(|part| part.oid == oid);
        let part =
            part.ok_or_else(|| format!("the subject has a part of an unknown type, {oid}"))?;
        let value = found.as_str().map_err(|_| format!("the {} is no text", part.field))?;
        check(part, value)?;
        has_common_name |= part.oid == COMMON_NAME.oid;
    }
    has_common_name.then_some(()).ok_or_else(|| "the subject has no common_name".to_owned())
}

fn check(part: &Part, value: &str) -> Result<(), String> {
    let field = part.field;
    if value.is_empty() {
        return Err(format!("the {field} is empty"));
    }
    if value.chars().count() > part.longest {
        return Err(format!("the {field} is longer than {} characters", part.longest));
    }
    if visible(value) != value || value.trim() != value {
        return Err(format!(
            "the {field} has control or invisible characters, or spaces around it"
        ));
    }
    let is_country = value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_uppercase());
    if part.oid == COUNTRY.oid && !is_country {
        return Err(format!(
            "the country is not two capital letters of ISO 3166, such as DE: {value}"
        ));
    }
    Ok(())
}

const EXAMPLE: &str =
    r#"{"common_name":"Board of Example","organization":"Example Ltd","country":"DE"}"#;
