//! What all charts of a sweep have on top, and the units of their targets.

use super::super::sweep::{Study, Target};
use super::axis::Unit;
use super::ink::{INK, PALE_INK, text};
use super::layout::fitting;
use super::shape::{Anchor, Shape};
use crate::mesh::model::Figure;

pub(super) fn head(study: &Study, subject: &str, subtitle: &str) -> Vec<Shape> {
    let title = format!("{} — {subject}", study.title);
    vec![
        text((24.0, 26.0), fitting(&title, 21.0), 21.0, INK, Anchor::Left),
        text((24.0, 50.0), fitting(subtitle, 14.0), 14.0, PALE_INK, Anchor::Left),
    ]
}

pub(super) fn origin(study: &Study) -> String {
    format!("{} replications, seed {}", study.replications(), study.seed())
}

pub(super) fn unit(target: &Target) -> Unit {
    match target.figure() {
        Figure::SuccessPct => Unit::Percent,
        Figure::Latency(_) | Figure::LatencyMean | Figure::LatencyMax => Unit::Millis,
        Figure::Rps => Unit::PerSecond,
        Figure::Retries | Figure::Ejections | Figure::Overflow => Unit::Count,
    }
}
