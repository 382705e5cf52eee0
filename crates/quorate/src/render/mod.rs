//! Sentences and tables for people, made from data that holds none.

pub mod audit;
