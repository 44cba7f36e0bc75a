//! The files of a sweep's folder, from its points one by one.

use super::super::plot::{self, DrawError};
use super::super::stamp::{File, RUN_FILE};
use super::{Point, Study, json, table, tornado};
use crate::study::Crew;

/// Takes the points in order. Of each it keeps what charts and the terminal need; all figures go into the table.
pub struct Collector<'a> {
    study: &'a Study,
    table: table::Writer<'a>,
    /// Without their rows.
    points: Vec<Point>,
}

/// A sweep as it is told: the points without their rows, and the files.
pub struct Told {
    pub points: Vec<Point>,
    /// `run.json` at the end.
    pub files: Vec<File>,
}

impl<'a> Collector<'a> {
    pub fn new(study: &'a Study) -> Collector<'a> {
        Collector { study, table: table::Writer::new(study), points: Vec::new() }
    }

    pub fn add(&mut self, point: Point) {
        self.table.add(&point);
        self.points.push(Point { rows: Vec::new(), ..point });
    }

    /// Charts are drawn by `crew`.
    pub fn finish(self, with_plots: bool, crew: &Crew) -> Result<Told, DrawError> {
        let Collector { study, table, points } = self;
        let file = |path: &str, bytes: Vec<u8>| File { path: path.to_owned(), bytes };
        let is_whole = study.shard.is_none();
        let mut files = vec![
            file("sweep.csv", table.finish()),
            file("sweep.json", json::sweep(study, &points, is_whole).into_bytes()),
        ];
        if study.sensitivity.is_some() && is_whole {
            files.push(file("tornado.csv", tornado::csv(study, &points)));
        }
        if with_plots && is_whole {
            let pictures = plot::sweep::pictures(study, &points);
            let draw = |number: u32| {
                let (name, picture) = &pictures[number as usize];
                plot::draw_picture(name, picture)
            };
            for drawn in crew.in_order(pictures.len() as u32, draw) {
                files.extend(drawn?);
            }
        }
        let run = json::run_file(study, &files);
        files.push(file(RUN_FILE, run.into_bytes()));
        Ok(Told { points, files })
    }
}
