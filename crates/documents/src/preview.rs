//! What a document says, where people cannot read the file itself.

use serde::{Deserialize, Serialize};

/// A summary of a document that a member's node made from the document itself.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct Preview {
    /// What kind of thing it is, such as `git commit`.
    pub kind: String,
    /// What it says, in the order in which people read it.
    pub fields: Vec<Field>,
    /// Why this is not what it claims to be, or what to look at twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// One line of a preview. The value is text from the document: control characters have not been
/// removed.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Field {
    pub name: String,
    pub value: String,
}

impl Preview {
    pub(crate) fn of(kind: &str) -> Self {
        Self { kind: kind.to_owned(), fields: Vec::new(), warning: None }
    }

    pub(crate) fn field(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.push(Field { name: name.to_owned(), value: value.into() });
        self
    }

    pub(crate) fn warn(mut self, warning: impl Into<String>) -> Self {
        self.warning = Some(warning.into());
        self
    }
}
