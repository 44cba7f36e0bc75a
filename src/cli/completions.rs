//! `meshcast completions` and `meshcast man`: made from the arguments themselves, so they are never out of date.

use super::{Failure, command, output, print};

pub fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "meshcast", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// The main page to standard output, or one page a command into a directory.
pub fn man(directory: Option<&str>) -> Result<(), Failure> {
    let main = command();
    let Some(directory) = directory else { return print(&page(main)?) };
    let mut pages = vec![main.clone()];
    for verb in main.get_subcommands() {
        let name = format!("meshcast-{}", verb.get_name());
        pages.push(verb.clone().name(name.clone()).display_name(name).version(env!("CARGO_PKG_VERSION")));
    }
    for command in pages {
        let path = format!("{}/{}.1", directory.trim_end_matches('/'), command.get_name());
        output::write_file(&path, page(command)?.as_bytes(), true)?;
    }
    Ok(())
}

fn page(command: clap::Command) -> Result<String, Failure> {
    let mut page = Vec::new();
    let drawn = clap_mangen::Man::new(command).render(&mut page);
    drawn.map_err(|error| Failure::internal(format!("cannot write the manual page: {error}")))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
