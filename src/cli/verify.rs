//! `meshcast verify`: runs a saved result again, and tells whether it comes out the same, byte for byte, and if not, where
//! it does not. Source: design D2, D6.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;

use serde_json::Value;

use super::arguments::{InputArguments, OutputArguments, VerifyArguments};
use super::ending::{Failure, exit, print, tell};
use super::files::Disk;
use super::inputs::{Inputs, Known};
use super::terminal::Progress;
use super::{run, simulation};
use crate::config::files::{Files, directory, tidy, under};
use crate::kernel::words::counted;
use crate::report::stamp::{self, RUN_FILE};
use crate::report::{self, Difference, File, Input, Stamp};

/// Differences that are told.
const MOST: usize = 20;
/// Digits of a digest that people compare.
const SHOWN: usize = 8;

pub fn verify(arguments: &VerifyArguments) -> Result<(), Failure> {
    let saved = Saved::read(&arguments.folder)?;
    let disk = Disk::default();
    let (inputs, stamp) = read_again(&saved, arguments, &disk)?;
    let mut changes = changes(&saved.stamp, &stamp);
    let files = run_again(&saved, &inputs, arguments)?;
    let again = stamp::digest(&files);
    let differences = Difference::all(&saved.files, &files);
    if again == saved.digest && differences.is_empty() {
        let count = counted(files.len(), "file", "files");
        let line = format!(
            "{} comes out the same: {count}, digest {}, meshcast {}, model {}\n",
            saved.name,
            short(&again),
            stamp.tool_version,
            stamp.model_revision
        );
        return if arguments.quiet { Ok(()) } else { print(&line) };
    }
    if stamp::digest(&saved.files) != saved.digest {
        changes.push(format!(
            "files were changed, added or lost after the run: they do not give its digest {}",
            short(&saved.digest)
        ));
    }
    if again == saved.digest {
        // What was written is what comes out now, so whatever differs was changed in between.
        changes.push("the run itself comes out the same".to_owned());
    }
    let more = differences.len().saturating_sub(MOST);
    let shown = differences.iter().take(MOST).map(ToString::to_string);
    let mut lines: Vec<String> = changes.into_iter().chain(shown).collect();
    if more > 0 {
        lines.push(format!("and {}", counted(more, "file more", "files more")));
    }
    print(&format!("{} differs (saved -> again)\n  {}\n", saved.name, lines.join("\n  ")))?;
    Err(Failure::silent(exit::MISMATCH))
}

/// The first digits of a digest.
fn short(digest: &str) -> &str {
    digest.get(..SHOWN).unwrap_or(digest)
}

/// A folder as it lies there.
struct Saved {
    /// As the user named it.
    name: String,
    stamp: Stamp,
    digest: String,
    files: Vec<File>,
}

impl Saved {
    fn read(name: &str) -> Result<Saved, Failure> {
        let name = name.trim_end_matches('/');
        let path = Path::new(name).join(RUN_FILE);
        if !path.is_file() {
            return Err(bad(format!(
                "`{name}` holds no {RUN_FILE}\nname a folder that `meshcast run` wrote"
            )));
        }
        let mut files = Vec::new();
        read_all(Path::new(name), "", &mut files)
            .map_err(|error| bad(format!("cannot read `{name}`: {error}")))?;
        let run = files.iter().find(|file| file.path == RUN_FILE).expect("it is there");
        let (stamp, digest) = serde_json::from_slice(&run.bytes).ok().as_ref().and_then(read_stamp).ok_or_else(|| {
            bad(format!("`{name}/{RUN_FILE}` is not as `meshcast` writes it\nrun again, or take the file from a copy"))
        })?;
        if stamp.verb != "run" {
            return Err(bad(format!(
                "`{name}` was made by `meshcast {verb}`, and `verify` runs only `run` again\ngive its command again with \
                 another `-o`, and compare the digests in both {RUN_FILE}",
                verb = stamp.verb
            )));
        }
        Ok(Saved { name: name.to_owned(), stamp, digest, files })
    }

    fn has_plots(&self) -> bool {
        self.files.iter().any(|file| file.path.starts_with("plots/"))
    }
}

fn bad(message: String) -> Failure {
    Failure { code: exit::BAD_INPUT, message }
}

/// All files below `folder`; paths with `/` between their parts.
fn read_all(folder: &Path, before: &str, files: &mut Vec<File>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{before}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read_all(&entry.path(), &format!("{path}/"), files)?;
        } else {
            files.push(File { path, bytes: fs::read(entry.path())? });
        }
    }
    Ok(())
}

/// The stamp and the digest of `run.json`.
fn read_stamp(run: &Value) -> Option<(Stamp, String)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let list = |name: &str| run[name].as_array()?.iter().map(text).collect::<Option<Vec<_>>>();
    let input = |value: &Value| Some(Input { name: text(&value["name"])?, sha256: text(&value["sha256"])? });
    let stamp = Stamp {
        tool_version: text(&run["version"])?,
        model_revision: u32::try_from(run["model_revision"].as_u64()?).ok()?,
        verb: text(&run["verb"])?,
        seed: run["seed"].as_u64()?,
        replications: usize::try_from(run["replications"].as_u64()?).ok()?,
        sets: list("set")?,
        slos: list("slo")?,
        inputs: run["inputs"].as_array()?.iter().map(input).collect::<Option<Vec<_>>>()?,
        // A run has one alone.
        configurations: Vec::new(),
    };
    Some((stamp, text(&run["digest"])?))
}

/// What the run was made of, as it is now.
fn read_again(saved: &Saved, arguments: &VerifyArguments, disk: &Disk) -> Result<(Inputs, Stamp), Failure> {
    let Stamp { inputs: recorded, replications, sets, slos, .. } = &saved.stamp;
    if recorded.iter().any(|input| input.name == "-") {
        return Err(bad(format!(
            "`{}` was made from standard input, which is kept nowhere\nkeep such input in a file to verify what comes of it",
            saved.name
        )));
    }
    let count = u32::try_from(*replications).ok().and_then(NonZeroU32::new);
    let count =
        count.ok_or_else(|| bad(format!("`{}/{RUN_FILE}` names {replications} replications", saved.name)))?;
    let scenario = match &arguments.scenario {
        Some(path) => path.clone(),
        None => find_scenario(recorded, disk)?,
    };
    let input = InputArguments {
        scenario: Some(scenario),
        sets: sets.clone(),
        slos: slos.clone(),
        ..InputArguments::default()
    };
    let mut inputs = Inputs::read(&arguments.manifests, &input, disk, true)?;
    // An interrupted run has fewer than it was told to make.
    inputs.mesh.run.replications = count;
    let stamp = inputs.stamp("run", *replications);
    Ok((inputs, stamp))
}

/// The scenario with the recorded name and digest somewhere below the working directory; of several, the one beside which
/// most of the other inputs are as they were.
fn find_scenario(recorded: &[Input], disk: &Disk) -> Result<String, Failure> {
    let help = "name the scenario with `-s`";
    let Some((scenario, others)) = recorded.split_first() else {
        return Err(bad(format!("the run names no input\n{help}")));
    };
    let has_digest =
        |path: &str, input: &Input| disk.read(path).is_ok_and(|bytes| stamp::sha256(&bytes) == input.sha256);
    let below = disk.expand("", ".").unwrap_or_default();
    let named: Vec<String> = below
        .iter()
        .map(|path| tidy(path))
        .filter(|path| path.rsplit('/').next() == scenario.name.rsplit('/').next())
        .collect();
    let same = named.iter().filter(|path| has_digest(path, scenario));
    let kept = |path: &str| {
        others.iter().filter(|other| has_digest(&under(directory(path), &other.name), other)).count()
    };
    // The first of equals.
    let best =
        same.map(|path| (kept(path), path)).reduce(|best, next| if next.0 > best.0 { next } else { best });
    let name = &scenario.name;
    let digest = short(&scenario.sha256);
    match (best, named.as_slice()) {
        (Some((_, path)), _) => Ok(path.clone()),
        (None, []) => Err(bad(format!("there is no `{name}` below the working directory\n{help}"))),
        (None, named) => {
            let message = format!(
                "no `{name}` below the working directory has the digest {digest} of the run's: {}\nname one with `-s` to see \
                 what it makes different",
                named.join(", ")
            );
            Err(Failure { code: exit::MISMATCH, message })
        }
    }
}

/// What else is different now: the program first, then the inputs.
fn changes(saved: &Stamp, now: &Stamp) -> Vec<String> {
    let mut changes = Vec::new();
    let mut tell_of = |what: &str, before: &str, after: &str| {
        if before != after {
            changes.push(format!("{what}: {before} -> {after}"));
        }
    };
    tell_of("meshcast", &saved.tool_version, &now.tool_version);
    tell_of("revision of the model", &saved.model_revision.to_string(), &now.model_revision.to_string());
    tell_of("seed", &saved.seed.to_string(), &now.seed.to_string());
    let of = |stamp: &Stamp, name: &str| {
        let input = stamp.inputs.iter().find(|input| input.name == name);
        input.map_or_else(|| "not read".to_owned(), |input| format!("sha256 {}", short(&input.sha256)))
    };
    let mut names: Vec<&str> = Vec::new();
    for name in saved.inputs.iter().chain(&now.inputs).map(|input| input.name.as_str()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    for name in names {
        tell_of(&format!("input {name}"), &of(saved, name), &of(now, name));
    }
    changes
}

fn run_again(saved: &Saved, inputs: &Inputs, arguments: &VerifyArguments) -> Result<Vec<File>, Failure> {
    let crew = simulation::crew(&OutputArguments { jobs: arguments.jobs, ..OutputArguments::default() })?;
    let progress = Progress::new(0, !arguments.quiet);
    let pool = run::replications(&crew, &inputs.mesh, &progress);
    if pool.count() < saved.stamp.replications {
        tell("interrupted: nothing was compared");
        return Err(Failure::silent(exit::INTERRUPTED));
    }
    let figures = pool.figures(&inputs.mesh);
    let (known, notes) = (Known::new(inputs), run::notes(&figures, &inputs.mesh));
    let stamp = inputs.stamp("run", pool.count());
    let report = run::report_of(inputs, &known, &figures, &notes, &stamp);
    report::folder(&report, saved.has_plots(), &crew, Vec::new())
        .map_err(|error| Failure::internal(format!("cannot draw: {error}")))
}
