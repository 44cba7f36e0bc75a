//! Verbs and flags. Source: design D5, reference ux 4.

use std::fmt::Display;
use std::num::NonZeroU32;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum, value_parser};

use super::kept::Kept;
use crate::config::duration;
use crate::config::grammar::Part;
use crate::report::sweep::Shard;

const EXIT_CODES: &str = "\
Exit codes:
  0    done, all objectives met (or none given)
  1    internal or I/O error
  2    bad command line
  3    bad input: YAML, scenario, unknown host or subset
  4    objective missed
  6    regression (compare --fail-on-regression)
  7    verify: the results differ
  130  interrupted

Results go to standard output, findings and progress to standard error.";

/// Forecasts what a service mesh will do with traffic before anyone applies the change.
///
/// Give it the Istio and Kubernetes YAML that you have, and a short scenario: who calls, how often, how the pods
/// behave. It opens no network connection.
#[derive(Debug, Parser)]
#[command(name = "meshcast", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    pub verb: Verb,
    /// Colours: `auto` looks at the terminal, NO_COLOR and CLICOLOR_FORCE
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorWhen,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Simulate a scenario, judge its objectives, write reports
    Run(RunArguments),
    /// Run the same traffic through several configurations: what changed, and what it does
    Compare(CompareArguments),
    /// Find the largest load under the objectives, or the least replicas, limits or other values that meet them
    Capacity(CapacityArguments),
    /// Simulate many points of a study: grids, sequences, or each input turned by itself
    Sweep(SweepArguments),
    /// Put the parts of a sweep together
    Report(ReportArguments),
    /// Run a saved result again and compare it, byte for byte
    Verify(VerifyArguments),
    /// Write a starter scenario from manifests
    Init(InitArguments),
    /// Print the JSON Schema of the scenario file, for editors
    Schema,
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write the pages of all commands into a directory
    Man {
        /// Directory for the pages; without it the main page goes to standard output
        directory: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FormatName {
    #[default]
    Text,
    Json,
    Csv,
    Markdown,
}

impl FormatName {
    pub fn name(self) -> &'static str {
        match self {
            FormatName::Text => "text",
            FormatName::Json => "json",
            FormatName::Csv => "csv",
            FormatName::Markdown => "markdown",
        }
    }
}

/// Simulate a scenario, judge its objectives, write reports
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct RunArguments {
    /// Istio and Kubernetes YAML in place of the scenario's `manifests`: files, directories, globs, `-` for stdin
    #[arg(value_name = "MANIFEST")]
    pub manifests: Vec<String>,
    #[command(flatten)]
    pub input: InputArguments,
    #[command(flatten)]
    pub output: OutputArguments,
    /// Print the scenario with every default filled in, and stop
    #[arg(long)]
    pub show_config: bool,
    /// Draw no plots
    #[arg(long)]
    pub no_plots: bool,
}

/// Find the largest load under the objectives, or the least replicas, limits or other values that meet them
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct CapacityArguments {
    /// Istio and Kubernetes YAML in place of the scenario's `manifests`: files, directories, globs, `-` for stdin
    #[arg(value_name = "MANIFEST")]
    pub manifests: Vec<String>,
    #[command(flatten)]
    pub input: InputArguments,
    #[command(flatten)]
    pub output: OutputArguments,
    /// What is looked for [default: `max-rps`; `min` with a `--vary` of something else]
    #[arg(long, value_name = "WHAT")]
    pub find: Option<Find>,
    /// What is varied, and between which values: `workloads.app.replicas=2..20`, `load=0.5x..4x`; repeatable
    #[arg(long, value_name = "PATH=RANGE")]
    pub vary: Vec<String>,
    /// What one of it costs: `replicas=1`; else replicas cost 1 and all else nothing; repeatable
    #[arg(long, value_name = "PATH=WEIGHT")]
    pub cost: Vec<String>,
    /// Scale all clients to this many requests per second together, where something else is searched for
    #[arg(long, value_name = "RATE")]
    pub rps: Option<String>,
    /// Meet the objectives while any one zone, or the first pod of any one workload, is gone for all measured time
    #[arg(long, value_name = "WHAT")]
    pub survive: Option<Lost>,
    /// Draw no plot
    #[arg(long)]
    pub no_plots: bool,
}

/// What a search for capacity looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Find {
    /// The largest load
    MaxRps,
    /// The least, or cheapest, of what is varied
    #[value(alias = "min-replicas")]
    Min,
    /// The most of what is varied
    Max,
}

/// What a mesh loses and is to survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lost {
    Zone,
    Pod,
}

/// Simulate many points of a study: grids, sequences, or each input turned by itself
///
/// Finished points are kept in the output folder: the same command, given again, goes on where it was stopped.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct SweepArguments {
    /// Istio and Kubernetes YAML in place of the scenario's `manifests`: files, directories, globs, `-` for stdin
    #[arg(value_name = "MANIFEST")]
    pub manifests: Vec<String>,
    #[command(flatten)]
    pub input: InputArguments,
    #[command(flatten)]
    pub output: OutputArguments,
    /// What to vary: `path=2..20`, `path=2..20/2`, `path=a,b,c`, or `load=0.5x..4x` for all clients; repeatable
    #[arg(long, value_name = "PATH=RANGE", required_unless_present = "sensitivity")]
    pub vary: Vec<String>,
    /// How points lie in the ranges [default: grid]
    #[arg(long, value_name = "DESIGN")]
    pub design: Option<Design>,
    /// How many points a Sobol sequence has; powers of two fill ranges evenly [default: 64]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub points: Option<u32>,
    /// Turn each input of the scenario by itself, and tell which ones decide
    #[arg(long, conflicts_with_all = ["vary", "design", "points"])]
    pub sensitivity: bool,
    /// How far `--sensitivity` turns each input down and up [default: 20%]
    #[arg(long, value_name = "PERCENT")]
    pub range: Option<String>,
    /// Simulate one of N parts, counted from 0; `meshcast report` puts them together
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<Shard>,
    /// Throw away the finished points of the output folder and start over
    #[arg(long)]
    pub fresh: bool,
    /// Draw no plots
    #[arg(long)]
    pub no_plots: bool,
}

/// Put the parts of a sweep together
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct ReportArguments {
    /// Output folders of `meshcast sweep --shard`, in any order, or of one whole sweep
    #[arg(value_name = "DIR", required = true)]
    pub parts: Vec<String>,
    #[command(flatten)]
    pub output: OutputArguments,
    /// Draw no plots
    #[arg(long)]
    pub no_plots: bool,
}

/// How points lie in the ranges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Design {
    /// Every value of each range with every value of the others
    #[default]
    Grid,
    /// The first values together, then the second ones, and so on
    List,
    /// As many points as `--points` says, spread evenly over all ranges
    Sobol,
}

/// What is simulated: the flags of every verb that runs a scenario.
#[derive(Clone, Debug, Default, Args)]
pub struct InputArguments {
    /// Scenario file; else `scenario.yaml` beside the manifests, then `meshcast.yaml`
    #[arg(short, long, value_name = "FILE")]
    pub scenario: Option<String>,
    /// Where all randomness comes from [default: the scenario's, else 42]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Independent replications, for confidence intervals [default: the scenario's, else 4; 8 for compare,
    /// capacity and sweep]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=10_000))]
    pub reps: Option<u32>,
    /// For `run` and `compare`: as many replications as it takes until the 95 % interval of each objective (else of each
    /// client's p99 and success), for `compare` of its change, is at most so wide to each side, such as `2%`; from 7 to 1000
    #[arg(long, value_name = "SHARE", value_parser = share, conflicts_with = "reps")]
    pub precision: Option<f64>,
    /// So many replications, whatever else is said: those that an interrupted run has made.
    #[arg(skip)]
    pub made: Option<NonZeroU32>,
    /// Simulated time, such as `10m`
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub duration: Option<String>,
    /// Start that the statistics leave out, such as `30s`
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub warmup: Option<String>,
    /// Change a value: `workloads.reviews-v2.replicas=4` or `DestinationRule/reviews:spec.x.y=64`; repeatable
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub sets: Vec<String>,
    /// The values of `--vary` at one point, in the same form.
    #[arg(skip)]
    pub varied: Vec<String>,
    /// One more objective: `reviews{subset=v2} p(99) < 250ms`; repeatable
    #[arg(long = "slo", value_name = "EXPR")]
    pub slos: Vec<String>,
}

/// Where results go and how much is said: the flags of every verb that runs a scenario.
#[derive(Clone, Debug, Default, Args)]
pub struct OutputArguments {
    /// Output folder, replaced as a whole; `-` prints the results only [default: outputs/<scenario's name>, for other
    /// verbs than `run` with `-<verb>` behind it]
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<String>,
    /// Threads [default: all cores]; results do not depend on it
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1_024))]
    pub jobs: Option<u32>,
    /// What standard output gets
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: FormatName,
    /// Exit 0 even if an objective is missed, or a figure has become worse
    #[arg(long)]
    pub exit_zero: bool,
    /// Replace an output folder that no run of ours wrote
    #[arg(long)]
    pub force: bool,
    /// Print the verdict alone, and errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say what was read and how long it took
    #[arg(short, long)]
    pub verbose: bool,
    /// Nothing is said, and the files stay in memory: for whoever runs a verb again.
    #[arg(skip)]
    pub kept: Option<Kept>,
}

impl OutputArguments {
    /// Whether text for people is printed whole.
    pub fn is_told(&self) -> bool {
        self.format == FormatName::Text && !self.is_quiet()
    }

    /// Whether errors alone, and the verdict, are said.
    pub fn is_quiet(&self) -> bool {
        self.quiet || self.kept.is_some()
    }
}

/// Run a saved result again and compare it, byte for byte
///
/// Its run.json tells what was asked and which files it was made of, by digest.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct VerifyArguments {
    /// The folder of a run, comparison, search or sweep, such as `outputs/bookinfo`
    #[arg(value_name = "DIR")]
    pub folder: String,
    /// Istio and Kubernetes YAML that it had in place of the scenario's `manifests`; of a comparison `name=path`
    #[arg(value_name = "MANIFEST")]
    pub manifests: Vec<String>,
    /// Its scenario file; else it is searched for below the working directory, by name and digest
    #[arg(short, long, value_name = "FILE")]
    pub scenario: Option<String>,
    /// Threads [default: all cores]; results do not depend on it
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1_024))]
    pub jobs: Option<u32>,
    /// Print nothing but differences and errors
    #[arg(short, long)]
    pub quiet: bool,
}

/// Run the same traffic, with the same luck, through several configurations: what changed, and what it does
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct CompareArguments {
    /// Manifests of each configuration, the base first: `name=path` or a path (file, directory, glob, `-`). One name
    /// given again adds to it. With `--with` one alone, or the scenario's own
    #[arg(value_name = "BASE CANDIDATE")]
    pub manifests: Vec<String>,
    #[command(flatten)]
    pub input: InputArguments,
    /// A candidate: the base with a changed value, `NAME:PATH=VALUE`; the same NAME adds up, no NAME is one of its own;
    /// repeatable
    #[arg(long = "with", value_name = "[NAME:]PATH=VALUE")]
    pub with: Vec<String>,
    #[command(flatten)]
    pub output: OutputArguments,
    /// Exit 6 if a figure is worse by more than this part of it (of success: of the failures), beyond the noise of all
    /// figures together, or if none can be judged: `5%`
    #[arg(long, value_name = "PERCENT", value_parser = percentage)]
    pub fail_on_regression: Option<f64>,
    /// Draw no plots
    #[arg(long)]
    pub no_plots: bool,
}

/// Write a starter scenario from manifests
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct InitArguments {
    /// Istio and Kubernetes YAML: files, directories, globs, or `-` for `kubectl get vs,dr,gw,se,deploy,svc -o yaml`
    #[arg(value_name = "MANIFEST", required = true)]
    pub manifests: Vec<String>,
    /// Scenario file to write, `-` for stdout [default: scenarios/<name of the manifests>.yaml]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<String>,
    /// Replace files that exist
    #[arg(long)]
    pub force: bool,
}

/// `0/16`: counted from 0, as indexed jobs count.
fn shard(text: &str) -> Result<Shard, String> {
    let numbers =
        text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
    match numbers {
        Some((number, of)) if number < of => Ok(Shard { number, of }),
        Some((number, of)) => Err(format!("shards are counted from 0, so there is no {number} of {of}")),
        None => Err("write `0/16` for the first of 16 parts".to_owned()),
    }
}

/// A flag of the command line as stamps have it.
pub fn flag(name: &str, value: impl Display) -> String {
    format!("--{name}={value}")
}

/// One of the values that a flag takes, as it is written.
pub fn name_of(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

pub fn time(text: &str) -> Result<String, String> {
    match duration::parse_positive(Part::whole(text)) {
        Ok(_) => Ok(text.to_owned()),
        Err(fault) => {
            Err([Some(fault.message), fault.help].into_iter().flatten().collect::<Vec<_>>().join("; "))
        }
    }
}

/// `2%`, as a share; between nothing and half.
fn share(text: &str) -> Result<f64, String> {
    match per_cent(text) {
        Some(percent) if (0.01..=50.0).contains(&percent) => Ok(percent / 100.0),
        Some(_) => Err("write from 0.01% to 50%".to_owned()),
        None => Err("write a percentage, such as `2%`".to_owned()),
    }
}

/// `5%` as 0.05.
fn percentage(text: &str) -> Result<f64, String> {
    match per_cent(text).filter(|number| number.is_finite() && *number >= 0.0) {
        Some(number) => Ok(number / 100.0),
        None => Err("write a percentage such as `5%`".to_owned()),
    }
}

/// The number before the `%`.
fn per_cent(text: &str) -> Option<f64> {
    text.trim().strip_suffix('%')?.trim().parse().ok()
}

pub fn command() -> clap::Command {
    Arguments::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn precisions_are_percentages() {
        assert_eq!([share("2%"), share(" 0.5 %")], [Ok(0.02), Ok(0.005)]);
        for text in ["2", "0%", "-1%", "51%", "NaN%", "inf%", "two%", ""] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_checked_as_the_scenario_checks_them() {
        assert_eq!(time("1h30m").as_deref(), Ok("1h30m"));
        for text in ["10", "0s", "ten minutes", "-5s"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shards_are_counted_from_zero() {
        assert_eq!(shard("0/3"), Ok(Shard { number: 0, of: 3 }));
        for text in ["3/3", "1", "-1/3", "a/b", "0/0"] {
            assert!(shard(text).is_err(), "{text}");
        }
    }
}
