//! `sweep.csv`: a row for each point and figure, the objectives first.

use super::super::number;
use super::{Point, Study};
use crate::study::Judged;

/// Takes points in order, one by one, as there may be many.
pub struct Writer<'a> {
    study: &'a Study,
    writer: csv::Writer<Vec<u8>>,
}

impl<'a> Writer<'a> {
    pub fn new(study: &'a Study) -> Writer<'a> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let varied = study.dimensions.iter().map(|dimension| dimension.name.as_str());
        let rest = ["scope", "source", "target", "subset", "metric", "value", "ci95", "objective", "steady"];
        let header = std::iter::once("point").chain(varied).chain(rest);
        writer.write_record(header).expect("memory takes all");
        Writer { study, writer }
    }

    pub fn add(&mut self, point: &Point) {
        let study = self.study;
        for (target, judged) in study.targets.iter().zip(study.judge(point)) {
            let text =
                |value: Option<f64>| value.map_or_else(String::new, |v| number::plain(v, target.kind()));
            let (value, ci95) = (text(judged.observed.value), text(judged.observed.ci95));
            let verdict = target.limit.map_or("", |_| verdict(&judged));
            self.row(point, ["objective", "", &target.text, "", &target.metric, &value, &ci95, verdict]);
        }
        for row in &point.rows {
            let about = [&row.scope, &row.source, &row.target, &row.subset].map(String::as_str);
            let [scope, source, target, subset] = about;
            self.row(point, [scope, source, target, subset, &row.metric, &row.value, &row.ci95, ""]);
        }
    }

    fn row(&mut self, point: &Point, cells: [&str; 8]) {
        let number = point.point.to_string();
        let varied = point.values.iter().map(String::as_str);
        let steady = point.steady.map_or("", |is_steady| if is_steady { "yes" } else { "no" });
        let record = std::iter::once(number.as_str()).chain(varied).chain(cells).chain([steady]);
        self.writer.write_record(record).expect("memory takes all, and rows are of one length");
    }

    pub fn finish(self) -> Vec<u8> {
        self.writer.into_inner().expect("memory takes all")
    }
}

/// `?`: the interval holds the limit.
pub fn verdict(judged: &Judged) -> &'static str {
    match (judged.met, judged.unsure) {
        (true, false) => "met",
        (true, true) => "met?",
        (false, false) => "missed",
        (false, true) => "missed?",
    }
}
