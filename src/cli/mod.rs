//! The command line: verbs, flags, exit codes. One file a verb; only this folder reads and writes files.
//! Results go to standard output, everything else to standard error. Source: design D5.

mod completions;
mod files;
mod findings;
mod init;
mod output;
mod pods;
mod run;
mod scaffold;
mod schema;
mod show;
mod terminal;

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::num::NonZeroU32;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::config::duration;
use crate::config::grammar::Part;

/// How the program can end.
pub mod exit {
    pub const DONE: u8 = 0;
    /// Ours, or the system's: output that cannot be written.
    pub const INTERNAL: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const BAD_INPUT: u8 = 3;
    pub const OBJECTIVE_MISSED: u8 = 4;
    pub const INTERRUPTED: u8 = 130;
}

const EXIT_CODES: &str = "\
Exit codes:
  0    done, all objectives met (or none given)
  1    internal or I/O error
  2    bad command line
  3    bad input: YAML, scenario, unknown host or subset
  4    objective missed
  130  interrupted

Results go to standard output, findings and progress to standard error.";

/// Forecasts what a service mesh will do with traffic before anyone applies the change.
///
/// Give it the Istio and Kubernetes YAML that you have, and a short scenario: who calls, how often, how the pods
/// behave. It opens no network connection.
#[derive(Debug, Parser)]
#[command(name = "meshcast", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    /// Colours: `auto` looks at the terminal, NO_COLOR and CLICOLOR_FORCE
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorWhen,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Simulate a scenario, judge its objectives, write reports
    Run(RunArguments),
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
enum ColorWhen {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum FormatName {
    #[default]
    Text,
    Json,
    Csv,
    Markdown,
}

impl FormatName {
    fn name(self) -> &'static str {
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
struct RunArguments {
    /// Istio and Kubernetes YAML in place of the scenario's `manifests`: files, directories, globs, `-` for stdin
    #[arg(value_name = "MANIFEST")]
    manifests: Vec<String>,
    /// Scenario file; else `scenario.yaml` beside the manifests, then `meshcast.yaml`
    #[arg(short, long, value_name = "FILE")]
    scenario: Option<String>,
    /// Output folder, replaced as a whole; `-` prints the results only [default: outputs/<scenario's name>]
    #[arg(short, long, value_name = "DIR")]
    out: Option<String>,
    /// Where all randomness comes from [default: the scenario's, else 42]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Independent replications, for confidence intervals [default: the scenario's, else 4]
    #[arg(long, value_name = "N")]
    reps: Option<NonZeroU32>,
    /// Simulated time, such as `10m`
    #[arg(long, value_name = "TIME", value_parser = time)]
    duration: Option<String>,
    /// Start that the statistics leave out, such as `30s`
    #[arg(long, value_name = "TIME", value_parser = time)]
    warmup: Option<String>,
    /// Change a value: `workloads.reviews-v2.replicas=4` or `DestinationRule/reviews:spec.x.y=64`; repeatable
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,
    /// One more objective: `reviews{subset=v2} p(99) < 250ms`; repeatable
    #[arg(long = "slo", value_name = "EXPR")]
    slos: Vec<String>,
    /// Threads [default: all cores]; results do not depend on it
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroU32>,
    /// What standard output gets
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: FormatName,
    /// Print the scenario with every default filled in, and stop
    #[arg(long)]
    show_config: bool,
    /// Draw no plots
    #[arg(long)]
    no_plots: bool,
    /// Exit 0 even if an objective is missed
    #[arg(long)]
    exit_zero: bool,
    /// Replace an output folder that no run of ours wrote
    #[arg(long)]
    force: bool,
    /// Print the verdict alone, and errors
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Say what was read and how long it took
    #[arg(short, long)]
    verbose: bool,
}

/// Write a starter scenario from manifests
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
struct InitArguments {
    /// Istio and Kubernetes YAML: files, directories, globs, or `-` for `kubectl get vs,dr,gw,se,deploy,svc -o yaml`
    #[arg(value_name = "MANIFEST", required = true)]
    manifests: Vec<String>,
    /// Scenario file to write, `-` for stdout [default: scenarios/<name of the manifests>.yaml]
    #[arg(short, long, value_name = "FILE")]
    out: Option<String>,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
}

fn time(text: &str) -> Result<String, String> {
    match duration::parse_positive(Part::whole(text)) {
        Ok(_) => Ok(text.to_owned()),
        Err(fault) => {
            Err([Some(fault.message), fault.help].into_iter().flatten().collect::<Vec<_>>().join("; "))
        }
    }
}

/// Why a verb stopped.
#[derive(Debug, PartialEq, Eq)]
struct Failure {
    code: u8,
    /// The first line is the reason, the others help; empty if all is said.
    message: String,
}

impl Failure {
    fn internal(message: impl Into<String>) -> Failure {
        Failure { code: exit::INTERNAL, message: message.into() }
    }

    fn usage(message: impl Into<String>) -> Failure {
        Failure { code: exit::USAGE, message: message.into() }
    }

    /// Ends with this code after everything was said.
    fn silent(code: u8) -> Failure {
        Failure { code, message: String::new() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Does what the arguments of the process say.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    terminal::set_color(arguments.color);
    let done = match &arguments.verb {
        Verb::Run(arguments) => run::run(arguments),
        Verb::Init(arguments) => init::init(arguments),
        Verb::Schema => schema::schema(),
        Verb::Completions { shell } => completions::completions(*shell),
        Verb::Man { directory } => completions::man(directory.as_deref()),
    };
    match done {
        Ok(()) => ExitCode::from(exit::DONE),
        Err(failure) => {
            if !failure.message.is_empty() {
                tell_failure(&failure.message);
            }
            ExitCode::from(failure.code)
        }
    }
}

/// `error: ...`, and what helps below it.
fn tell_failure(message: &str) {
    let look = crate::report::Look { colour: terminal::stderr_has_colour(), ..crate::report::Look::PLAIN };
    let mut lines = message.lines();
    tell(&format!("{}: {}", look.bad("error"), lines.next().unwrap_or_default()));
    lines.for_each(|line| tell(&format!("  help: {line}")));
}

/// A line on standard error. If nobody can hear it, that changes nothing.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints results. A reader that has gone (`| head`) ends the program without a word.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::silent(exit::DONE)),
        Err(error) => Err(Failure::internal(format!("cannot write to standard output: {error}"))),
    }
}

fn command() -> clap::Command {
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
    fn times_are_checked_as_the_scenario_checks_them() {
        assert_eq!(time("1h30m").as_deref(), Ok("1h30m"));
        for text in ["10", "0s", "ten minutes", "-5s"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
