//! `meshcast report DIR...`: puts the parts of a sweep together, and draws a whole one again.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::arguments::ReportArguments;
use super::ending::{Failure, exit};
use super::output::{Folder, Target};
use super::simulation;
use super::sweep;
use crate::report::File as Output;
use crate::report::stamp::RUN_FILE;
use crate::report::sweep::files::Collector;
use crate::report::sweep::line::{self, POINTS_FILE};
use crate::report::sweep::{Point, Study, merge};

pub fn report(arguments: &ReportArguments) -> Result<(), Failure> {
    let parts: Vec<(String, Study)> = arguments
        .parts
        .iter()
        .map(|name| study(name).map(|study| (name.clone(), study)))
        .collect::<Result<_, Failure>>()?;
    let (whole, places) = merge::whole(&parts).map_err(bad)?;
    let output = &arguments.output;
    let folder = output.folder_name("sweep", &whole.title);
    let files: Vec<String> = arguments.parts.iter().map(|name| points_file(name)).collect();
    let named: Vec<&str> = files.iter().map(String::as_str).collect();
    let folder = folder.map(|name| Folder::prepare(&name, &named, output.force)).transpose()?;
    let target = folder.map(Target::Disk);
    let mut readers = Vec::new();
    for place in &places {
        readers.push(Reader::open(&parts[*place].0)?);
    }
    let mut collector = Collector::new(&whole);
    let mut lines = line::write(&whole).into_bytes();
    for number in 0..whole.points {
        let reader = &mut readers[number as usize % places.len()];
        let Some(point) = reader.next(number) else { return Err(unfinished(&reader.name, number)) };
        if target.is_some() {
            lines.extend_from_slice(reader.text.as_bytes());
        }
        collector.add(point);
    }
    let crew = simulation::crew(output)?;
    if let Some(target) = &target {
        target.write(&[Output { path: POINTS_FILE.to_owned(), bytes: lines }])?;
    }
    sweep::tell_and_write(&whole, collector, &crew, output, target.as_ref(), !arguments.no_plots)
}

fn bad(message: String) -> Failure {
    Failure { code: exit::BAD_INPUT, message }
}

fn points_file(folder: &str) -> String {
    format!("{}/{POINTS_FILE}", folder.trim_end_matches('/'))
}

fn study(name: &str) -> Result<Study, Failure> {
    let path = Path::new(name);
    if !path.is_dir() {
        let why = if path.exists() { "is no folder" } else { "is not there" };
        return Err(bad(format!("`{name}` {why}\nname the folders that `meshcast sweep` has written")));
    }
    if !sweep::is_there(path) {
        let why = if path.join(RUN_FILE).is_file() {
            "holds no sweep: `report` puts parts of sweeps together, and other results keep the files that they have"
        } else {
            "holds no sweep"
        };
        return Err(bad(format!("`{name}` {why}\nname the folders that `meshcast sweep` has written")));
    }
    let head = sweep::head(Path::new(&points_file(name)));
    let head =
        head.map_err(|error| Failure::internal(format!("cannot read `{}`: {error}", points_file(name))))?;
    head.ok_or_else(|| bad(format!("`{}` does not begin as a file of points does", points_file(name))))
}

fn unfinished(name: &str, number: u32) -> Failure {
    bad(format!(
        "`{name}` lacks point {number}: it is not finished\nrun its command again; it goes on where it was"
    ))
}

/// The points of one part, in order.
struct Reader {
    name: String,
    lines: BufReader<File>,
    text: String,
}

impl Reader {
    fn open(name: &str) -> Result<Reader, Failure> {
        let file = File::open(points_file(name));
        let file =
            file.map_err(|error| Failure::internal(format!("cannot read `{}`: {error}", points_file(name))))?;
        let mut reader = Reader { name: name.to_owned(), lines: BufReader::new(file), text: String::new() };
        // The study, which is known by now.
        sweep::take_line(&mut reader.lines, &mut reader.text);
        Ok(reader)
    }

    /// The next point, which must have this number; its line is `text` then.
    fn next(&mut self, number: u32) -> Option<Point> {
        if !sweep::take_line(&mut self.lines, &mut self.text) {
            return None;
        }
        let point: Point = line::read(self.text.trim_end())?;
        (point.point == number).then_some(point)
    }
}
