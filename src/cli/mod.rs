//! The command line: verbs, flags, exit codes. One file a verb; only this folder reads and writes files.
//! Results go to standard output, everything else to standard error. Source: design D5.

mod arguments;
mod capacity;
mod compare;
mod completions;
mod ending;
mod files;
mod findings;
mod init;
mod inputs;
mod kept;
mod marks;
mod output;
mod pods;
mod report;
mod run;
mod scaffold;
mod schema;
mod show;
mod simulation;
mod sweep;
mod terminal;
mod variants;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Verb};
use ending::{exit, tell_failure};

/// Does what the arguments of the process say.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    terminal::set_color(arguments.color);
    let done = match &arguments.verb {
        Verb::Run(arguments) => run::run(arguments),
        Verb::Compare(arguments) => compare::compare(arguments),
        Verb::Capacity(arguments) => capacity::capacity(arguments),
        Verb::Sweep(arguments) => sweep::run(arguments),
        Verb::Report(arguments) => report::report(arguments),
        Verb::Verify(arguments) => verify::verify(arguments),
        Verb::Init(arguments) => init::init(arguments),
        Verb::Schema => schema::schema(),
        Verb::Completions { shell } => completions::completions(*shell),
        Verb::Man { directory } => completions::man(directory.as_deref()),
    };
    match done {
        Ok(()) => ExitCode::from(exit::DONE),
        Err(failure) => {
            tell_failure(&failure);
            ExitCode::from(failure.code)
        }
    }
}
