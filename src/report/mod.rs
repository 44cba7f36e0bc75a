//! How results look: values in, bytes and strings out. Nothing here reads, writes or counts.

pub mod capacity;
pub mod comparison;
pub mod csv;
pub mod difference;
#[cfg(test)]
pub(crate) mod fixture;
pub mod json;
pub mod markdown;
pub mod metric;
pub mod number;
pub mod observed;
pub mod place;
pub mod plot;
pub mod remark;
pub mod rows;
pub mod stamp;
pub mod summary;
pub mod sweep;
pub mod table;
pub mod tables;
pub mod terminal;
pub mod traffic;

pub use difference::Difference;
pub use remark::Remark;
pub use stamp::{File, Input, Stamp};
pub use terminal::Look;
pub use traffic::Told;

use crate::kernel::SimTime;
use crate::kernel::words::counted;
use crate::study::{Crew, RunResults};

/// All that a report of one run is made of.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The scenario's name.
    pub title: &'a str,
    pub run: &'a RunResults,
    pub stamp: &'a Stamp,
    /// Changes of the configuration, for charts.
    pub marks: &'a [Mark],
    /// What could be told before the run: who serves which share, and the like.
    pub told: Told<'a>,
    /// One line each: workloads that run on guesses, warnings.
    pub notes: &'a [String],
    /// What the model leaves out.
    pub not_modelled: &'a [Remark],
}

/// Something that happened at a moment and may explain what comes after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub at: SimTime,
    /// Short: `canary-10`.
    pub label: String,
}

/// Ready lines below a title.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub title: String,
    pub lines: Vec<String>,
}

/// A way to print a run on standard output.
pub struct Format {
    /// As `--format` names it.
    pub name: &'static str,
    pub print: fn(&Report<'_>, &Look) -> String,
}

/// Every format that there is.
pub const FORMATS: &[Format] = &[
    Format { name: "text", print: whole_text },
    Format { name: "json", print: |report, _| json::summary(report) },
    Format { name: "csv", print: |report, _| clients_csv(report.run) },
    Format { name: "markdown", print: |report, _| markdown::render(report) },
];

fn whole_text(report: &Report<'_>, look: &Look) -> String {
    let before = summary::sections(&traffic::sections(&report.told, look), look);
    format!("{before}\n{}", summary::render(report, look, None))
}

fn clients_csv(run: &RunResults) -> String {
    let bytes = csv::write(tables::clients(run), run.replications > 1);
    String::from_utf8(bytes).expect("we write UTF-8")
}

/// All files of the output folder, `run.json` with the digest of the others at the end. `more` are files made
/// elsewhere that belong to them. Plots are drawn by `crew`.
pub fn folder(
    report: &Report<'_>,
    with_plots: bool,
    crew: &Crew,
    more: Vec<File>,
) -> Result<Vec<File>, plot::DrawError> {
    let with_intervals = report.run.replications > 1;
    let table = |entry: &tables::Entry| File {
        path: format!("{}.csv", entry.name),
        bytes: csv::write((entry.make)(report.run), with_intervals),
    };
    let mut files: Vec<File> = tables::TABLES.iter().map(table).collect();
    let summary = json::summary(report);
    files.push(File { path: "summary.json".to_owned(), bytes: summary.into_bytes() });
    let plots = if with_plots { plot::PLOTS } else { &[] };
    let draw = |number: u32| {
        let entry = &plots[number as usize];
        plot::draw(entry.name, &(entry.make)(report))
    };
    for drawn in crew.in_order(plots.len() as u32, draw) {
        files.extend(drawn?);
    }
    files.extend(more);
    let run = json::run_file(report.stamp, &files);
    files.push(File { path: stamp::RUN_FILE.to_owned(), bytes: run.into_bytes() });
    Ok(files)
}

/// `wrote outputs/bookinfo/ (summary.json, 7 CSV, 5 plots)  digest 60303ae2`. `folder` as the user named it.
pub fn wrote(folder: &str, files: &[File]) -> String {
    let count = |ending: &str| files.iter().filter(|file| file.path.ends_with(ending)).count();
    let counts = [counted(count(".csv"), "CSV", "CSV"), counted(count(".svg"), "plot", "plots")];
    let named = ["report.html", "summary.json", "comparison.json"].into_iter();
    let mut parts: Vec<String> =
        named.filter(|name| files.iter().any(|file| file.path == *name)).map(str::to_owned).collect();
    parts.extend(counts.into_iter().filter(|count| !count.starts_with("0 ")));
    let digest = stamp::digest(files);
    format!("wrote {}/ ({})  digest {}", folder.trim_end_matches('/'), parts.join(", "), &digest[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_holds_every_table_and_chart_and_seals_them() {
        let held = fixture::Held::tiny();
        let files = folder(&held.report(), true, &Crew::new(2).expect("threads"), Vec::new()).expect("drawn");
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        for path in [
            "clients.csv",
            "timeseries.csv",
            "events.csv",
            "summary.json",
            "plots/split.svg",
            "plots/pools.png",
        ] {
            assert!(paths.contains(&path), "{path} is missing of {paths:?}");
        }
        let run: serde_json::Value =
            serde_json::from_slice(&files.last().expect("files").bytes).expect("JSON");
        assert_eq!(run["digest"], stamp::digest(&files).as_str());
        let digest = &stamp::digest(&files)[..8];
        assert_eq!(
            wrote("outputs/x/", &files),
            format!("wrote outputs/x/ (summary.json, 7 CSV, 5 plots)  digest {digest}")
        );
    }

    #[test]
    fn without_charts_none_are_told() {
        let held = fixture::Held::tiny();
        let files =
            folder(&held.report(), false, &Crew::new(1).expect("threads"), Vec::new()).expect("drawn");
        assert!(wrote("x", &files).starts_with("wrote x/ (summary.json, 7 CSV)  digest "));
    }

    #[test]
    fn formats_have_the_names_of_the_flag() {
        let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
        assert_eq!(names, ["text", "json", "csv", "markdown"]);
        let held = fixture::Held::tiny();
        let csv = FORMATS.iter().find(|format| format.name == "csv").expect("CSV");
        assert!(
            (csv.print)(&held.report(), &Look::PLAIN).starts_with("client,class,requests,requests_ci95,")
        );
    }
}
