//! Changes of what was read: values that `--set` or a timeline's `set:` puts into the scenario or into objects.

use std::collections::BTreeSet;

use super::diagnostic::{SourceId, Span};
use super::document::{Docs, ObjectRef, Patch, RawObject};
use super::set::{self, Nowhere, Order};

/// An order with the place of its text.
pub(super) struct PlacedOrder {
    pub order: Order,
    pub source: SourceId,
    /// Where in the source the order's text starts.
    pub offset: usize,
}

impl PlacedOrder {
    pub fn path_span(&self) -> Span {
        self.span(&self.order.path_range)
    }

    pub fn patch(&self) -> Patch {
        Patch { path: self.path_span(), value: self.span(&self.order.value_range) }
    }

    fn span(&self, range: &std::ops::Range<usize>) -> Span {
        Span { source: self.source, start: self.offset + range.start, end: self.offset + range.end }
    }
}

/// Carries out an order on the object that it names, one of `objects`: its number and a changed copy. `None` for an
/// order upon the scenario. `home` is the namespace of objects that name none.
pub(super) fn changed(
    objects: &[RawObject],
    placed: &PlacedOrder,
    home: &str,
    docs: &mut Docs,
) -> Result<Option<(usize, RawObject)>, Nowhere> {
    let Some(reference) = &placed.order.object else { return Ok(None) };
    let index = find(objects, reference, home)?;
    let mut copy = objects[index].clone();
    let path = set::put(&mut copy.value, &placed.order.steps, &placed.order.value)?;
    copy.doc = docs.add_patched(copy.doc, &path, placed.patch());
    Ok(Some((index, copy)))
}

/// The object that a reference means among `objects`, the last one if it was written twice.
pub(super) fn find(objects: &[RawObject], reference: &ObjectRef, home: &str) -> Result<usize, Nowhere> {
    let fits: Vec<usize> =
        (0..objects.len()).filter(|index| reference.means(&objects[*index], home)).collect();
    let spaces: BTreeSet<&str> =
        fits.iter().map(|index| objects[*index].namespace.as_deref().unwrap_or(home)).collect();
    if spaces.len() > 1 {
        let names: Vec<&str> = spaces.into_iter().collect();
        let message = format!("`{reference}` means several objects, in {}", names.join(", "));
        let help = format!("write `{}/{}/{}`", reference.kind, names[0], reference.name);
        return Err(Nowhere { message, help: Some(help) });
    }
    fits.last().copied().ok_or_else(|| no_such(objects, reference))
}

/// Proposes a name of the same kind first, then one of any.
fn no_such(objects: &[RawObject], reference: &ObjectRef) -> Nowhere {
    let all: Vec<String> = objects.iter().map(|object| format!("{}/{}", object.kind, object.name)).collect();
    let wanted = format!("{}/{}", reference.kind, reference.name);
    let names = all.iter().map(String::as_str);
    let same_kind = names.clone().filter(|name| name.split('/').next() == Some(reference.kind.as_str()));
    let nowhere = set::unknown_name("object", &wanted, same_kind);
    match nowhere.help {
        Some(_) => nowhere,
        None => set::unknown_name("object", &wanted, names),
    }
}
