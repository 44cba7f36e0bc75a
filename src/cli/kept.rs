//! Files of a verb that somebody runs again, to compare them.

use std::sync::{Arc, Mutex};

use crate::report::File;

/// Files that stay in memory.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<Vec<File>>>);

impl Kept {
    pub fn add(&self, files: &[File]) {
        self.0.lock().expect("nobody panics with it").extend_from_slice(files);
    }

    /// Those that came since the last call.
    pub fn take(&self) -> Vec<File> {
        std::mem::take(&mut self.0.lock().expect("nobody panics with it"))
    }
}
