//! What resolving has to say beside its result: findings, what is not modelled, what has no effect, and guesses.
//! States of a timeline are resolved one by one, so everything is kept once however often it is said.

use crate::config::diagnostic::{Diagnostic, Span};
use crate::config::document::Docs;
use crate::mesh::Place;

/// Something in the input that would shape real traffic and does not shape the simulated one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotModelled {
    /// `VirtualService default/reviews`.
    pub object: String,
    pub place: Place,
    /// What it would change, and what happens instead.
    pub what: String,
}

/// An object that changes nothing for the traffic of this scenario.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoEffect {
    pub object: String,
    pub place: Place,
    pub why: String,
}

/// Something that the input leaves open and that was decided for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Guess {
    /// `workload reviews-v1`, `service ratings`.
    pub about: String,
    pub what: String,
}

/// The collector.
#[derive(Debug)]
pub struct Notes<'a> {
    pub docs: &'a Docs,
    pub diagnostics: Vec<Diagnostic>,
    pub not_modelled: Vec<NotModelled>,
    pub without_effect: Vec<NoEffect>,
    pub guesses: Vec<Guess>,
}

impl<'a> Notes<'a> {
    pub fn new(docs: &'a Docs) -> Notes<'a> {
        Notes {
            docs,
            diagnostics: Vec::new(),
            not_modelled: Vec::new(),
            without_effect: Vec::new(),
            guesses: Vec::new(),
        }
    }

    pub fn place(&self, span: Span) -> Place {
        let line = self.docs.sources.position(span).line;
        Place { file: self.docs.sources.get(span.source).name.clone(), line }
    }

    pub fn report(&mut self, diagnostic: Diagnostic) {
        if !self.diagnostics.contains(&diagnostic) {
            self.diagnostics.push(diagnostic);
        }
    }

    pub fn not_modelled(&mut self, object: &str, span: Span, what: impl Into<String>) {
        let entry = NotModelled { object: object.to_owned(), place: self.place(span), what: what.into() };
        if !self.not_modelled.contains(&entry) {
            self.not_modelled.push(entry);
        }
    }

    pub fn without_effect(&mut self, object: &str, span: Span, why: impl Into<String>) {
        let place = self.place(span);
        self.add_without_effect(NoEffect { object: object.to_owned(), place, why: why.into() });
    }

    pub fn add_without_effect(&mut self, entry: NoEffect) {
        if !self.without_effect.contains(&entry) {
            self.without_effect.push(entry);
        }
    }

    pub fn guess(&mut self, about: impl Into<String>, what: impl Into<String>) {
        let entry = Guess { about: about.into(), what: what.into() };
        if !self.guesses.contains(&entry) {
            self.guesses.push(entry);
        }
    }
}
