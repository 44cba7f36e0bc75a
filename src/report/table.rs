//! The tables of the output folder as values: columns with units, rows of cells. CSV and JSON are two ways to write
//! them down, so both always tell the same. Source: design D6.

use std::borrow::Cow;

use super::number::Kind;
use crate::metrics::Estimate;

/// One file's worth of rows, made one by one: a time series has hundreds of thousands.
pub struct Table<'a> {
    pub columns: Vec<Column>,
    /// As many cells a row as columns.
    pub rows: Box<dyn Iterator<Item = Vec<Cell<'a>>> + 'a>,
}

#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub name: &'static str,
    pub content: Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Text,
    /// A number that is no estimate: port, code, moment, quantile.
    Number(Kind),
    /// An estimate: with several replications `<name>_ci95` stands to its right.
    Figure(Kind),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    Text(Cow<'a, str>),
    Number(f64),
    Figure(Estimate),
}

pub const fn text(name: &'static str) -> Column {
    Column { name, content: Content::Text }
}

pub const fn number(name: &'static str, kind: Kind) -> Column {
    Column { name, content: Content::Number(kind) }
}

pub const fn figure(name: &'static str, kind: Kind) -> Column {
    Column { name, content: Content::Figure(kind) }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Cell<'a> {
        Cell::Text(text.into())
    }
}

impl From<String> for Cell<'_> {
    fn from(text: String) -> Self {
        Cell::Text(text.into())
    }
}

impl<'a> From<&'a String> for Cell<'a> {
    fn from(text: &'a String) -> Cell<'a> {
        Cell::Text(text.into())
    }
}

impl From<Estimate> for Cell<'_> {
    fn from(estimate: Estimate) -> Self {
        Cell::Figure(estimate)
    }
}

impl From<f64> for Cell<'_> {
    fn from(value: f64) -> Self {
        Cell::Number(value)
    }
}

impl From<u16> for Cell<'_> {
    fn from(value: u16) -> Self {
        Cell::Number(f64::from(value))
    }
}
