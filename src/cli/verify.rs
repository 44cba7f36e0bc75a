//! `meshcast verify`: runs a saved result again, and tells whether it comes out the same, byte for byte, and if not, where
//! it does not. Source: design D2, D6.

use std::fs;
use std::io;
use std::num::NonZeroU32;
use std::path::Path;

use clap::Parser;
use serde_json::Value;

use super::arguments::{Arguments, CompareArguments, InputArguments, OutputArguments, Verb, VerifyArguments};
use super::ending::{Failure, exit, print, reason, tell};
use super::files::Disk;
use super::kept::Kept;
use super::variants::{self, Variant};
use super::{capacity, compare, run, sweep};
use crate::config::files::{Files, directory, tidy, under};
use crate::kernel::words::counted;
use crate::report::stamp::{self, Configuration, RUN_FILE};
use crate::report::sweep::line::POINTS_FILE;
use crate::report::{Difference, File, Input, Stamp};

/// Differences that are told.
const MOST: usize = 20;
/// Replications of any result.
const MOST_REPLICATIONS: u32 = 10_000;
/// Digits of a digest that people compare.
const SHOWN: usize = 8;

pub fn verify(arguments: &VerifyArguments) -> Result<(), Failure> {
    let saved = Saved::read(&arguments.folder)?;
    let files = again(&saved, arguments)?;
    let (_, stamp) = known(&files).ok_or_else(|| Failure::internal("a verb has left no stamp"))?;
    let mut changes = changes(&saved.stamp, &stamp);
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
    let now = |input: &Input| stamp.inputs.iter().any(|other| other.name == input.name);
    if arguments.manifests.is_empty() && !saved.stamp.inputs.iter().all(now) {
        let name = &saved.name;
        tell(&format!(
            "help: if it had manifests of its own, name them again: `meshcast verify {name} mesh/`"
        ));
    }
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
    run: Value,
    stamp: Stamp,
    digest: String,
    files: Vec<File>,
}

impl Saved {
    fn read(name: &str) -> Result<Saved, Failure> {
        let name = name.trim_end_matches('/');
        let path = Path::new(name).join(RUN_FILE);
        if !path.is_file() {
            let help = match Path::new(name).join(POINTS_FILE).is_file() {
                true => "its sweep is not finished: the same command goes on with it",
                false => "name a folder that `meshcast` wrote",
            };
            return Err(bad(format!("`{name}` holds no {RUN_FILE}\n{help}")));
        }
        let mut files = Vec::new();
        read_all(Path::new(name), "", &mut files)?;
        // What a sweep goes on from is no result.
        files.retain(|file| file.path != POINTS_FILE);
        let strange = || {
            bad(format!(
                "`{name}/{RUN_FILE}` is not as `meshcast` writes it\nrun again, or take the file from a copy"
            ))
        };
        let (run, stamp) = known(&files).ok_or_else(strange)?;
        let digest = run["digest"].as_str().ok_or_else(strange)?.to_owned();
        Ok(Saved { name: name.to_owned(), run, stamp, digest, files })
    }

    /// A search that was interrupted has points and no answer.
    fn is_unfinished(&self) -> bool {
        let file = self.files.iter().find(|file| file.path == "capacity.json");
        let told: Option<Value> = file.and_then(|file| serde_json::from_slice(&file.bytes).ok());
        told.is_some_and(|told| told["answer"].is_null())
    }

    fn has_plots(&self) -> bool {
        self.files.iter().any(|file| file.path.starts_with("plots/"))
    }
}

fn bad(message: String) -> Failure {
    Failure { code: exit::BAD_INPUT, message }
}

/// All files below `folder`; paths with `/` between their parts.
fn read_all(folder: &Path, before: &str, files: &mut Vec<File>) -> Result<(), Failure> {
    let unreadable =
        |path: &Path, error: io::Error| bad(format!("cannot read `{}`: {}", path.display(), reason(&error)));
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
        let entry = entry.map_err(|error| unreadable(folder, error))?;
        let path = format!("{before}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            read_all(&entry.path(), &format!("{path}/"), files)?;
        } else {
            let bytes = fs::read(entry.path()).map_err(|error| unreadable(&entry.path(), error))?;
            files.push(File { path, bytes });
        }
    }
    Ok(())
}

/// What `run.json` says.
fn known(files: &[File]) -> Option<(Value, Stamp)> {
    let file = files.iter().find(|file| file.path == RUN_FILE)?;
    let run = serde_json::from_slice(&file.bytes).ok()?;
    let stamp = read_stamp(&run)?;
    Some((run, stamp))
}

fn read_stamp(run: &Value) -> Option<Stamp> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let texts = |value: &Value| value.as_array()?.iter().map(text).collect::<Option<Vec<_>>>();
    let input = |value: &Value| Some(Input { name: text(&value["name"])?, sha256: text(&value["sha256"])? });
    let inputs = |value: &Value| value.as_array()?.iter().map(input).collect::<Option<Vec<_>>>();
    let configuration = |value: &Value| {
        let (sets, inputs) = (texts(&value["set"])?, inputs(&value["inputs"])?);
        Some(Configuration { name: text(&value["name"])?, sets, inputs })
    };
    let flags = run.get("flags").map_or(Some(Vec::new()), texts)?;
    let configurations = run.get("configurations").map_or(Some(Vec::new()), |all| {
        all.as_array()?.iter().map(configuration).collect::<Option<Vec<_>>>()
    })?;
    Some(Stamp {
        tool_version: text(&run["version"])?,
        model_revision: u32::try_from(run["model_revision"].as_u64()?).ok()?,
        verb: text(&run["verb"])?,
        seed: run["seed"].as_u64()?,
        replications: usize::try_from(run["replications"].as_u64()?).ok()?,
        sets: texts(&run["set"])?,
        slos: texts(&run["slo"])?,
        flags,
        inputs: inputs(&run["inputs"])?,
        configurations,
    })
}

/// The files that the same question has today.
fn again(saved: &Saved, arguments: &VerifyArguments) -> Result<Vec<File>, Failure> {
    let disk = Disk::default();
    let kept = Kept::default();
    let scenario = scenario(saved, arguments, &disk)?;
    let verb = question(saved, arguments, &scenario, &kept)?;
    let done = match &verb {
        Verb::Run(arguments) => run::run(arguments),
        Verb::Compare(own) => {
            compare::compare_all(own, &configurations(saved, own, directory(&scenario), &disk)?)
        }
        Verb::Capacity(arguments) => capacity::capacity(arguments),
        Verb::Sweep(arguments) => sweep::run(arguments),
        _ => unreachable!("no other verb is asked again"),
    };
    done.map_err(|failure| match failure.code {
        exit::INTERRUPTED => Failure::interrupted(": nothing was compared"),
        _ => failure,
    })?;
    Ok(kept.take())
}

/// The scenario of a result that can be made again.
fn scenario(saved: &Saved, arguments: &VerifyArguments, disk: &Disk) -> Result<String, Failure> {
    let Stamp { inputs: recorded, .. } = &saved.stamp;
    if recorded.iter().any(|input| input.name == "-") {
        return Err(bad(format!(
            "`{}` was made from standard input, which is kept nowhere\nkeep such input in a file to verify what comes of it",
            saved.name
        )));
    }
    if saved.is_unfinished() {
        return Err(bad(format!(
            "`{}` was interrupted before it had an answer\nask again, and verify what comes of it",
            saved.name
        )));
    }
    arguments.scenario.clone().map_or_else(|| find_scenario(recorded, disk), Ok)
}

/// The command line that leads to the saved result: its flags are in the stamp, as the user wrote them.
fn question(
    saved: &Saved,
    arguments: &VerifyArguments,
    scenario: &str,
    kept: &Kept,
) -> Result<Verb, Failure> {
    let Stamp { verb, replications, sets, slos, flags, .. } = &saved.stamp;
    let shard = saved.run["sweep"]["shard"].as_str().map(|shard| format!("--shard={shard}"));
    let line = ["meshcast", verb].map(str::to_owned).into_iter().chain(flags.clone()).chain(shard);
    let mut verb = Arguments::try_parse_from(line).map(|arguments| arguments.verb).ok();
    // An interrupted run has fewer than it was told to make.
    let made = u32::try_from(*replications).ok().filter(|count| *count <= MOST_REPLICATIONS);
    let made = made.and_then(NonZeroU32::new);
    let made =
        made.ok_or_else(|| bad(format!("`{}/{RUN_FILE}` names {replications} replications", saved.name)))?;
    let input = InputArguments {
        scenario: Some(scenario.to_owned()),
        sets: sets.clone(),
        slos: slos.clone(),
        made: Some(made),
        ..InputArguments::default()
    };
    let output = OutputArguments {
        jobs: arguments.jobs,
        quiet: arguments.quiet,
        exit_zero: true,
        kept: Some(kept.clone()),
        ..OutputArguments::default()
    };
    let manifests = arguments.manifests.clone();
    let plots = !saved.has_plots();
    match &mut verb {
        Some(Verb::Run(own)) => {
            (own.manifests, own.input, own.output, own.no_plots) = (manifests, input, output, plots);
        }
        Some(Verb::Compare(own)) => {
            (own.manifests, own.input, own.output, own.no_plots) = (manifests, input, output, plots);
        }
        Some(Verb::Capacity(own)) => {
            (own.manifests, own.input, own.output, own.no_plots) = (manifests, input, output, plots);
        }
        Some(Verb::Sweep(own)) => {
            (own.manifests, own.input, own.output, own.no_plots) = (manifests, input, output, plots);
        }
        _ => {}
    }
    let is_ours = matches!(verb, Some(Verb::Run(_) | Verb::Compare(_) | Verb::Capacity(_) | Verb::Sweep(_)));
    verb.filter(|_| is_ours).ok_or_else(|| {
        bad(format!(
            "`{}/{RUN_FILE}` asks what this meshcast does not know: `{} {}`\ntake the version that wrote it, {}",
            saved.name,
            saved.stamp.verb,
            flags.join(" "),
            saved.stamp.tool_version
        ))
    })
}

/// The configurations of a comparison: their manifests are those that the user names again, or those of the scenario if
/// all were made of the same files, or those that are recorded, by their paths from the scenario's directory `base`.
fn configurations(
    saved: &Saved,
    own: &CompareArguments,
    base: &str,
    disk: &Disk,
) -> Result<Vec<Variant>, Failure> {
    let named = variants::named(&own.manifests)?;
    let all = &saved.stamp.configurations;
    let share = all.iter().all(|one| one.inputs == all[0].inputs);
    let manifests = |one: &Configuration| {
        if share || one.inputs.is_empty() {
            return Ok(named.first().map_or_else(Vec::new, |first| first.manifests.clone()));
        }
        if !named.is_empty() {
            let again = named.iter().find(|variant| variant.name == one.name);
            return again.map(|variant| variant.manifests.clone()).ok_or_else(|| {
                bad(format!("the manifests of `{0}` are missing\nname them too, as `{0}=path`", one.name))
            });
        }
        one.inputs[1..].iter().map(|input| found(input, &one.name, base, disk)).collect()
    };
    let variant = |one: &Configuration| {
        Ok(Variant { name: one.name.clone(), manifests: manifests(one)?, orders: one.sets.clone() })
    };
    all.iter().map(variant).collect()
}

/// Where a recorded input lies.
fn found(input: &Input, name: &str, base: &str, disk: &Disk) -> Result<String, Failure> {
    let places = [under(base, &input.name), input.name.clone()];
    let found = places.into_iter().find(|path| disk.read(path).is_ok());
    found.ok_or_else(|| {
        bad(format!(
            "`{}` of `{name}` is not found\nname the manifests of all configurations behind the folder, as \
             `{name}=path`",
            input.name
        ))
    })
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
