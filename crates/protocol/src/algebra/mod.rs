//! The arithmetic of a suite's curve, in bytes: polynomials and their commitments, and a repair's
//! summands.

mod feldman;
mod summands;

#[cfg(test)]
pub(crate) use feldman::Polynomial;
pub(crate) use feldman::{Algebra, Combined, Dealer, Dealings, Rejection, Weights};
pub(crate) use summands::{Quorum, Table};
