//! Complaints: they let everybody open one sealed value. A message can list several.

use std::collections::BTreeMap;

use crate::Identifier;
use crate::wire::Reader;

/// Lets everybody open one sealed value.
#[derive(Clone, Debug)]
pub(crate) struct Complaint {
    /// The point that only dealer and recipient could compute: Ristretto255.
    pub(crate) shared: [u8; 32],
    /// Proves that the point is the right one: see [`discrete_log`](super::discrete_log).
    pub(crate) proof: [u8; 64],
}

/// Complaints, by the participant that they are about.
pub(crate) type Complaints = BTreeMap<Identifier, Complaint>;

impl Complaint {
    /// The length of an encoded complaint with the identifier that it is about.
    const LENGTH: usize = Identifier::LENGTH + 32 + 64;

    /// Encodes the number of complaints in 2 bytes, then each complaint in ascending order: the
    /// identifier that it is about 2, shared point 32, proof 64.
    pub(crate) fn encode_all(complaints: &Complaints) -> Vec<u8> {
        // There are fewer than 2¹⁶ identifiers.
        let mut bytes = (complaints.len() as u16).to_be_bytes().to_vec();
        for (dealer, Self { shared, proof }) in complaints {
            bytes.extend([&dealer.to_bytes()[..], shared, proof].concat());
        }
        bytes
    }

    /// Reads what [`encode_all`](Self::encode_all) writes. Returns `None` for anything else, and
    /// for complaints about an identifier that `admissible` rejects.
    pub(crate) fn decode_all(
        reader: &mut Reader<'_>,
        admissible: impl Fn(Identifier) -> bool,
    ) -> Option<Complaints> {
        let count = usize::from(reader.number()?);
        let mut reader = Reader::new(reader.take(count * Self::LENGTH)?);
        let mut complaints = Complaints::new();
        for _ in 0..count {
            let dealer = reader.identifier()?;
            let complaint = Self { shared: reader.array()?, proof: reader.array()? };
            let ascending = complaints.last_key_value().is_none_or(|(last, _)| *last < dealer);
            if !ascending || !admissible(dealer) {
                return None;
            }
            complaints.insert(dealer, complaint);
        }
        Some(complaints)
    }
}
