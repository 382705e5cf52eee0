//! The options of OpenPGP outputs: `name=value`, joined by `&`, in this order.

use crate::definition::Asked;
use crate::error::{OutputError, Unsignable};

/// Seconds since 1970, as OpenPGP counts time.
pub type Moment = u32;

/// The times that the hash of a signature covers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Times {
    /// When the key was created, by its certificate.
    pub(super) created: Moment,
    /// When the signature was asked for.
    pub(super) at: Moment,
}

impl Times {
    /// The times in the options of this format's output.
    pub(super) fn of(asked: &Asked, format: &'static str) -> Result<Self, Unsignable> {
        let times = asked.options.as_deref().and_then(|options| Self::read(options).ok());
        times.ok_or(Unsignable::Incomplete(format))
    }

    /// Reads `created=N&at=N`. An output without options is not complete yet.
    pub(super) fn read(options: &str) -> Result<Self, OutputError> {
        let mut fields = Fields::of(options);
        let times = Self { created: fields.number("created")?, at: fields.number("at")? };
        fields.end()?;
        (times.created <= times.at).then_some(times).ok_or(OutputError::Options)
    }
}

/// The options of a signature at `at` by a key that was created at `created`.
pub(crate) fn complete(created: Moment, at: Moment) -> String {
    format!("created={created}&at={at}")
}

/// The fields that are left to be read.
pub(super) struct Fields<'a>(Option<&'a str>);

impl<'a> Fields<'a> {
    pub(super) fn of(options: &'a str) -> Self {
        Self(Some(options))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<&'a str, OutputError> {
        let rest = self.0.ok_or(OutputError::Options)?;
        let (field, rest) = match rest.split_once('&') {
            Some((field, rest)) => (field, Some(rest)),
            None => (rest, None),
        };
        let (found, value) = field.split_once('=').ok_or(OutputError::Options)?;
        if found != name {
            return Err(OutputError::Options);
        }
        self.0 = rest;
        Ok(value)
    }

    /// A number as Rust prints it.
    pub(super) fn number(&mut self, name: &str) -> Result<Moment, OutputError> {
        let text = self.text(name)?;
        let number: Moment = text.parse().map_err(|_| OutputError::Options)?;
        (number.to_string() == text).then_some(number).ok_or(OutputError::Options)
    }

    pub(super) fn end(self) -> Result<(), OutputError> {
        self.0.map_or(Ok(()), |_| Err(OutputError::Options))
    }
}
