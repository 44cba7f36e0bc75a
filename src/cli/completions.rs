//! `meshcast completions` and `meshcast man`: made from the arguments themselves, so they are never out of date.

use super::arguments::command;
use super::ending::{Failure, print};

pub fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "meshcast", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// The main page to standard output, or one page a command into a directory.
pub fn man(directory: Option<&str>) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::internal(format!("cannot write the manual: {error}"));
    let Some(directory) = directory else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command()).render(&mut page).map_err(failed)?;
        return print(&String::from_utf8_lossy(&page));
    };
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(command(), directory))
        .map_err(failed)
}
