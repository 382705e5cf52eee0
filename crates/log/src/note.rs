//! Signed notes: a text and signature lines, <https://c2sp.org/signed-note>.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Most bytes of a note, signatures included.
pub const MAX_NOTE_LEN: usize = 1_000_000;

/// Most signatures of a note. Other implementations stop reading at 100.
pub const MAX_SIGNATURES: usize = 1024;

/// Most bytes of one signature, without the key id; the largest known is ML-DSA-87's.
const MAX_SIGNATURE_LEN: usize = 8192;

const KEY_ID_LEN: usize = 4;

/// The name of a key: 1 to 255 bytes of UTF-8 without white space, `+`, or control characters.
///
/// By convention a URL without scheme, such as `sign.example.com/ivn/7b1c`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct KeyName(String);

impl KeyName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for KeyName {
    type Error = InvalidKeyName;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let fits = (1..=255).contains(&name.len());
        if fits && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+') {
            Ok(Self(name))
        } else {
            Err(InvalidKeyName)
        }
    }
}

impl FromStr for KeyName {
    type Err = InvalidKeyName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        name.to_owned().try_into()
    }
}

impl From<KeyName> for String {
    fn from(name: KeyName) -> Self {
        name.0
    }
}

/// A text that cannot be the name of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key name must be 1 to 255 bytes without spaces, `+` or control characters")]
pub struct InvalidKeyName;

/// Four bytes that distinguish the keys of one name and what they sign. Not a fingerprint: anybody
/// can make a key with a given id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(crate) [u8; KEY_ID_LEN]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// A signature line, verified or not. Displays as the line without its newline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct NoteSignature {
    pub(crate) name: KeyName,
    pub(crate) id: KeyId,
    /// The bytes after the key id: 64 for Ed25519, 72 for a cosignature.
    pub(crate) bytes: Vec<u8>,
}

impl NoteSignature {
    /// The name of the key that the line claims to be from.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The id of the key that the line claims to be from.
    pub fn id(&self) -> KeyId {
        self.id
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blob = [self.id.0.as_slice(), &self.bytes].concat();
        write!(f, "— {} {}", self.name, STANDARD.encode(blob))
    }
}

impl FromStr for NoteSignature {
    type Err = NoteError;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let (name, blob) = line
            .strip_prefix("— ")
            .and_then(|rest| rest.split_once(' '))
            .ok_or(NoteError::SignatureLine)?;
        let name = name.parse().map_err(|_| NoteError::SignatureLine)?;
        if blob.len() > (KEY_ID_LEN + MAX_SIGNATURE_LEN).div_ceil(3) * 4 {
            return Err(NoteError::SignatureLine);
        }
        let blob = STANDARD.decode(blob).map_err(|_| NoteError::SignatureLine)?;
        match blob.split_first_chunk() {
            Some((id, bytes)) if !bytes.is_empty() => {
                Ok(Self { name, id: KeyId(*id), bytes: bytes.to_vec() })
            }
            _ => Err(NoteError::SignatureLine),
        }
    }
}

impl TryFrom<String> for NoteSignature {
    type Error = NoteError;

    fn try_from(line: String) -> Result<Self, Self::Error> {
        line.parse()
    }
}

impl From<NoteSignature> for String {
    fn from(signature: NoteSignature) -> Self {
        signature.to_string()
    }
}

/// A text and signatures that nobody has verified yet. Displays as the note, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Ends in a newline.
    text: String,
    pub(crate) signatures: Vec<NoteSignature>,
}

impl Note {
    /// `text` must be a text that [`FromStr`] accepts: it ends in a newline and has no control
    /// characters.
    pub(crate) fn from_parts(text: String, signatures: Vec<NoteSignature>) -> Self {
        Self { text, signatures }
    }

    /// The signed text, with its final newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines, in the order of the note.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl FromStr for Note {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, Self::Err> {
        if note.len() > MAX_NOTE_LEN {
            return Err(NoteError::TooLong);
        }
        if note.chars().any(|c| c < ' ' && c != '\n') {
            return Err(NoteError::ControlCharacter);
        }
        // The last empty line ends the text, which may have empty lines of its own.
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::NoSignatures)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::NoFinalNewline)?;
        if lines.lines().count() > MAX_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        let signatures = lines.split('\n').map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self { text: format!("{text}\n"), signatures })
    }
}

/// Why a text is not a signed note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum NoteError {
    #[error("the note is longer than {MAX_NOTE_LEN} bytes")]
    TooLong,
    #[error("the note contains a control character (is it saved with CRLF line ends?)")]
    ControlCharacter,
    /// No empty line separates a text from signatures.
    #[error("the note has no signatures")]
    NoSignatures,
    #[error("the note does not end in a newline")]
    NoFinalNewline,
    #[error("the note has more than {MAX_SIGNATURES} signatures")]
    TooManySignatures,
    /// Not of the form em dash, space, name, space, base64 of more than four bytes.
    #[error("a signature line of the note is malformed")]
    SignatureLine,
}
