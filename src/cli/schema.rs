//! `meshcast schema`: what editors need to complete and check scenario files.

use super::ending::{Failure, print};
use crate::config::scenario;

pub fn schema() -> Result<(), Failure> {
    print(&text())
}

/// The JSON Schema with a line feed at its end.
pub fn text() -> String {
    let mut text = serde_json::to_string_pretty(&scenario::schema()).expect("schemas have string keys");
    text.push('\n');
    text
}
