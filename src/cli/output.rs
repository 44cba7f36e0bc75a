//! The output folder: replaced as a whole, and only if it is ours. Everything is written under another name first, so
//! whoever stops us leaves the old folder or the new one, and no half. Source: design D9.26.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::arguments::OutputArguments;
use super::ending::{Failure, print, reason, tell};
use super::kept::Kept;
use crate::report::stamp::RUN_FILE;
use crate::report::{File, wrote};

impl OutputArguments {
    /// The folder that results of a verb go to; `None` with `-o -`. Each verb has one of its own, or a short run would take
    /// the place of a long sweep.
    pub fn folder_name(&self, verb: &str, title: &str) -> Option<String> {
        match self.out.as_deref() {
            Some("-") => None,
            Some(name) => Some(name.to_owned()),
            None => {
                let of_verb = if verb == "run" { String::new() } else { format!("-{verb}") };
                Some(format!("outputs/{}{of_verb}", title.replace(['/', '\\'], "-")))
            }
        }
    }

    /// Says where the files are: among the results for people, else beside them.
    pub fn print_wrote(&self, target: &Target, files: &[File]) -> Result<(), Failure> {
        let Target::Disk(folder) = target else { return Ok(()) };
        let wrote = wrote(&folder.name, files);
        if self.is_told() {
            return print(&format!("\n{wrote}\n"));
        }
        if !self.is_quiet() {
            tell(&wrote);
        }
        Ok(())
    }
}

/// Where results go.
#[derive(Clone, Debug)]
pub enum Target {
    Disk(Folder),
    Memory(Kept),
}

impl Target {
    /// Puts the files there in place of whatever was.
    pub fn write(&self, files: &[File]) -> Result<(), Failure> {
        match self {
            Target::Disk(folder) => folder.write(files),
            Target::Memory(kept) => {
                kept.add(files);
                Ok(())
            }
        }
    }

    /// Puts files beside those that are there, each whole or not at all, in their order.
    pub fn add(&self, files: &[File]) -> Result<(), Failure> {
        match self {
            Target::Disk(folder) => folder.add(files),
            Target::Memory(_) => self.write(files),
        }
    }
}

/// Where results go on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// As the user named it.
    pub name: String,
    path: PathBuf,
}

impl Folder {
    /// Checks before a run that its results will have a place. `inputs` are files that were read: a folder that holds
    /// one is never replaced.
    pub fn prepare(name: &str, inputs: &[&str], force: bool) -> Result<Folder, Failure> {
        let path = resolved(Path::new(name));
        let refuse = |why: &str, help: &str| {
            Err(Failure::internal(format!("cannot write to `{name}`: {why}\n{help}")))
        };
        let other = "name another folder with `-o`";
        if fs::symlink_metadata(&path).is_ok_and(|link| link.is_symlink()) {
            return refuse("it is a link to something that is not there", other);
        }
        if path.file_name().is_none() {
            return refuse("it names no folder", other);
        }
        match fs::metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let folder = Folder { name: name.to_owned(), path };
                return folder.try_out().map(|()| folder).map_err(|error| cannot(name, &error));
            }
            Err(error) => return Err(cannot(name, &error)),
            Ok(metadata) if !metadata.is_dir() => return refuse("it is a file", other),
            Ok(_) => {}
        }
        let inside = |file: &str| fs::canonicalize(file).is_ok_and(|file| file.starts_with(&path));
        if inside(".") {
            return refuse("it holds the working directory", other);
        }
        if let Some(input) = inputs.iter().find(|input| inside(input)) {
            return refuse(&format!("it holds the input `{input}`, which would be lost"), other);
        }
        if is_mounted(&path) {
            let help = format!("name a folder inside of it: `-o {}/results`", name.trim_end_matches('/'));
            return refuse("it is a mounted volume, which cannot be replaced as a whole", &help);
        }
        let is_ours = path.join(RUN_FILE).is_file();
        let is_empty = fs::read_dir(&path).map_err(|error| cannot(name, &error))?.next().is_none();
        if !is_ours && !is_empty && !force {
            let help = "name another folder with `-o`, or replace this one with `--force`";
            return refuse("it is not empty, and no run of ours wrote it", help);
        }
        let folder = Folder { name: name.to_owned(), path };
        folder.try_out().map(|()| folder).map_err(|error| cannot(name, &error))
    }

    /// Whether a folder can be made there, told before the work of a run and not after it. Leaves nothing behind.
    fn try_out(&self) -> io::Result<()> {
        let fresh = self.beside(&self.parent(), "partial");
        let missing: Vec<&Path> = fresh.ancestors().take_while(|path| !path.exists()).collect();
        let made = fs::create_dir_all(&fresh);
        for path in missing {
            // What was not made cannot be removed.
            let _ = fs::remove_dir(path);
        }
        made
    }

    fn parent(&self) -> PathBuf {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn add(&self, files: &[File]) -> Result<(), Failure> {
        let add = |file: &File| {
            let target = self.path.join(&file.path);
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
            }
            replace_file(&target, &file.bytes)
        };
        files.iter().try_for_each(add).map_err(|error| cannot(&self.name, &error))
    }

    pub fn write(&self, files: &[File]) -> Result<(), Failure> {
        self.replace(files).map_err(|error| cannot(&self.name, &error))
    }

    fn replace(&self, files: &[File]) -> io::Result<()> {
        let parent = self.parent();
        fs::create_dir_all(&parent)?;
        let (fresh, old) = (self.beside(&parent, "partial"), self.beside(&parent, "old"));
        let written = write_all(&fresh, files).and_then(|()| {
            let existed = self.path.exists();
            if existed {
                fs::rename(&self.path, &old)?;
            }
            fs::rename(&fresh, &self.path).inspect_err(|_| {
                if existed {
                    // The first error is the one to tell.
                    let _ = fs::rename(&old, &self.path);
                }
            })
        });
        // Where these are missing all is well.
        let _ = fs::remove_dir_all(&fresh);
        let _ = fs::remove_dir_all(&old);
        written
    }

    /// A hidden name in the same directory, so that renaming moves no bytes.
    fn beside(&self, parent: &Path, what: &str) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        parent.join(format!(".{name}.{what}-{}", std::process::id()))
    }
}

/// Whether a file system begins there: it cannot be renamed.
#[cfg(unix)]
fn is_mounted(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.is_some_and(|parent| device(parent) != device(path))
}

#[cfg(not(unix))]
fn is_mounted(_: &Path) -> bool {
    false
}

/// The real path of what exists of it: a link is followed, or the link itself would be replaced.
fn resolved(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn write_all(folder: &Path, files: &[File]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for file in files {
        let path = folder.join(&file.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, &file.bytes)?;
    }
    Ok(())
}

fn cannot(name: &str, error: &io::Error) -> Failure {
    Failure::internal(format!("cannot write `{name}`: {}", reason(error)))
}

/// Writes one file under another name first. `force`: an existing one is replaced.
pub fn write_file(path: &str, bytes: &[u8], force: bool) -> Result<(), Failure> {
    let target = Path::new(path);
    if target.exists() && !force {
        return Err(Failure::internal(format!(
            "`{path}` exists already\nname another file with `-o`, or replace it with `--force`"
        )));
    }
    let write = || {
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        replace_file(target, bytes)
    };
    write().map_err(|error| cannot(path, &error))
}

/// Under another name first, so that whoever stops us leaves the old file or the new one.
fn replace_file(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let fresh = target.with_file_name(format!(".{name}.partial-{}", std::process::id()));
    let written = fs::write(&fresh, bytes).and_then(|()| fs::rename(&fresh, target));
    written.inspect_err(|_| {
        // What was not made cannot be removed.
        let _ = fs::remove_file(&fresh);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> File {
        File { path: path.to_owned(), bytes: path.as_bytes().to_vec() }
    }

    #[test]
    fn our_folder_is_replaced_as_a_whole() {
        let place = tempfile::tempdir().expect("a directory");
        let name = place.path().join("out/x").to_str().expect("UTF-8").to_owned();
        let write =
            |files: &[File]| Folder::prepare(&name, &[], false).expect("ours").write(files).expect("written");
        write(&[file(RUN_FILE), file("plots/a.svg")]);
        write(&[file(RUN_FILE), file("b.csv")]);
        assert!(!Path::new(&name).join("plots").exists());
        assert!(Path::new(&name).join("b.csv").exists());
        let left = fs::read_dir(place.path().join("out")).expect("there").count();
        assert_eq!(left, 1, "no folder with another name is left");
    }

    #[test]
    fn foreign_folders_are_refused_and_inputs_are_never_lost() {
        let place = tempfile::tempdir().expect("a directory");
        let name = place.path().to_str().expect("UTF-8");
        let input = place.path().join("scenario.yaml");
        fs::write(&input, "x").expect("written");
        let prepare = |inputs: &[&str], force| Folder::prepare(name, inputs, force);
        assert_eq!(prepare(&[], false).unwrap_err().code, 1);
        assert!(prepare(&[], true).is_ok());
        assert!(prepare(&[input.to_str().expect("UTF-8")], true).is_err());
        assert!(Folder::prepare(".", &[], true).is_err());
        assert!(Folder::prepare(input.to_str().expect("UTF-8"), &[], true).is_err());
    }
}
