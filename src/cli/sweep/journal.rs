//! The file of finished points: each is added whole, and on the disk before the next one is, so that whoever stops us
//! costs the points that were not finished and no other.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::cli::ending::{Failure, reason};
use crate::report::sweep::{Point, Study, line};

/// Finished points in order, behind the study that they belong to.
pub struct Journal {
    store: Store,
    /// Bytes that are whole.
    length: u64,
    /// Where the first point of each mesh stands: its line's start and length.
    known: BTreeMap<String, (u64, u64)>,
    /// Finished points.
    pub done: usize,
}

enum Store {
    Disk(File),
    /// With `-o -`.
    Memory(Vec<u8>),
}

impl Journal {
    /// Begins one in memory.
    pub fn in_memory(study: &Study) -> Journal {
        let head = line::write(study).into_bytes();
        Journal { length: head.len() as u64, store: Store::Memory(head), known: BTreeMap::new(), done: 0 }
    }

    /// Goes on with a file that [`head`] has read. What comes behind its last whole line, or behind a line that is not
    /// the next point, was never finished and is cut off.
    pub fn open(path: &Path, study: &Study) -> io::Result<Journal> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            // Where a file system knows no locks, nobody can be warned.
            return Err(io::Error::other("another sweep is writing into it"));
        }
        let mut journal = Journal { store: Store::Disk(file), length: 0, known: BTreeMap::new(), done: 0 };
        let mut reader = BufReader::new(File::open(path)?);
        let mut text = String::new();
        let mut expected = study.own_points();
        let mut is_head = true;
        while take_line(&mut reader, &mut text) {
            let start = journal.length;
            if !is_head {
                let Some(point) = line::read::<Point>(text.trim_end()) else { break };
                if expected.next() != Some(point.point) {
                    break;
                }
                journal.known.entry(point.mesh).or_insert((start, text.len() as u64));
                journal.done += 1;
            }
            is_head = false;
            journal.length += text.len() as u64;
        }
        if let Store::Disk(file) = &journal.store {
            file.set_len(journal.length)?;
        }
        Ok(journal)
    }

    /// Adds a finished point. If that fails, the file is as before.
    pub fn add(&mut self, point: &Point) -> io::Result<()> {
        let text = line::write(point);
        match &mut self.store {
            Store::Memory(bytes) => bytes.extend_from_slice(text.as_bytes()),
            Store::Disk(file) => {
                file.seek(SeekFrom::Start(self.length))?;
                let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
                if let Err(error) = written {
                    // If this fails too, the torn line is cut off by whoever opens the file next.
                    let _ = file.set_len(self.length);
                    return Err(error);
                }
            }
        }
        self.known.entry(point.mesh.clone()).or_insert((self.length, text.len() as u64));
        self.length += text.len() as u64;
        self.done += 1;
        Ok(())
    }

    pub fn knows(&self, mesh: &str) -> bool {
        self.known.contains_key(mesh)
    }

    /// A finished point of this mesh.
    pub fn like(&mut self, mesh: &str) -> io::Result<Option<Point>> {
        let Some((start, length)) = self.known.get(mesh).copied() else { return Ok(None) };
        let mut bytes = vec![0; length as usize];
        match &mut self.store {
            Store::Memory(all) => bytes.copy_from_slice(&all[start as usize..(start + length) as usize]),
            Store::Disk(file) => {
                file.seek(SeekFrom::Start(start))?;
                file.read_exact(&mut bytes)?;
            }
        }
        Ok(line::read(String::from_utf8_lossy(&bytes).trim_end()))
    }

    /// All points, in order.
    pub fn points(&mut self, mut take: impl FnMut(Point)) -> io::Result<()> {
        match &mut self.store {
            Store::Memory(bytes) => each_point(&mut &bytes[..], &mut take),
            Store::Disk(file) => {
                file.seek(SeekFrom::Start(0))?;
                each_point(&mut BufReader::new(file), &mut take)
            }
        }
        Ok(())
    }
}

fn each_point(reader: &mut impl BufRead, take: &mut impl FnMut(Point)) {
    let mut text = String::new();
    while take_line(reader, &mut text) {
        if let Some(point) = line::read::<Point>(text.trim_end()) {
            take(point);
        }
    }
}

/// The next line with its end; false where there is no whole one.
pub fn take_line(reader: &mut impl BufRead, text: &mut String) -> bool {
    text.clear();
    reader.read_line(text).is_ok() && text.ends_with('\n')
}

/// The study of a file of points; `None` if it does not begin with one.
pub fn head(path: &Path) -> io::Result<Option<Study>> {
    let mut text = String::new();
    let is_line = take_line(&mut BufReader::new(File::open(path)?), &mut text);
    Ok(is_line.then(|| line::read(text.trim_end())).flatten())
}

/// Whether there is a file of points in a folder.
pub fn is_there(folder: &Path) -> bool {
    fs::metadata(folder.join(line::POINTS_FILE)).is_ok_and(|metadata| metadata.is_file())
}

/// What to say where points cannot be kept.
pub fn cannot_keep(error: &io::Error) -> Failure {
    let reason = reason(error);
    Failure::internal(format!(
        "cannot write finished points: {reason}\nthose that were written before are kept; the same command goes on"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sweep::{Shard, Target};

    fn study() -> Study {
        Study {
            title: "x".to_owned(),
            stamp: serde_json::json!({"seed": 42}),
            design: "grid".to_owned(),
            dimensions: Vec::new(),
            points: 9,
            shard: Some(Shard { number: 1, of: 3 }),
            targets: Vec::<Target>::new(),
            sensitivity: None,
        }
    }

    fn point(number: u32) -> Point {
        Point::open(number, Vec::new(), format!("m{number}"))
    }

    #[test]
    fn whatever_is_torn_is_cut_off_and_the_rest_is_kept() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("p");
        fs::write(&path, line::write(&study())).expect("written");
        let mut journal = Journal::open(&path, &study()).expect("opened");
        for number in [1, 4] {
            journal.add(&point(number)).expect("written");
        }
        drop(journal);
        let whole = fs::read(&path).expect("there");
        for torn in
            [&b"12"[..], &line::write(&point(7)).into_bytes()[..20], b"0123456789abcdef {}\n", &[0xff, 10]]
        {
            fs::write(&path, [&whole[..], torn].concat()).expect("written");
            let mut journal = Journal::open(&path, &study()).expect("opened");
            assert_eq!((journal.done, journal.knows("m4"), journal.knows("m7")), (2, true, false));
            assert_eq!(journal.like("m1").expect("read"), Some(point(1)));
            drop(journal);
            assert_eq!(fs::read(&path).expect("there"), whole);
        }
    }

    #[test]
    fn two_cannot_write_at_once() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("p");
        fs::write(&path, line::write(&study())).expect("written");
        let _first = Journal::open(&path, &study()).expect("opened");
        assert!(Journal::open(&path, &study()).is_err());
    }
}
