//! Tables as CSV: UTF-8, `\n`, a header, a point in decimals, an empty cell where there is no data.

use super::number;
use super::number::Kind;
use super::table::{Cell, Content, Table};
use crate::metrics::Estimate;

/// `with_intervals`: figures have a `_ci95` neighbour, as they do with several replications.
pub fn write(table: Table<'_>, with_intervals: bool) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut record: Vec<String> = Vec::new();
    for column in &table.columns {
        record.push(column.name.to_owned());
        if with_intervals && matches!(column.content, Content::Figure(_)) {
            record.push(format!("{}_ci95", column.name));
        }
    }
    writer.write_record(&record).expect("memory takes all");
    for row in table.rows {
        record.clear();
        for (column, cell) in table.columns.iter().zip(&row) {
            push_cell(&mut record, column.content, cell, with_intervals);
        }
        writer.write_record(&record).expect("memory takes all, and rows are of one length");
    }
    writer.into_inner().expect("memory takes all")
}

fn push_cell(record: &mut Vec<String>, content: Content, cell: &Cell<'_>, with_intervals: bool) {
    match (content, cell) {
        (Content::Text, Cell::Text(text)) => record.push(text.to_string()),
        (Content::Number(kind), Cell::Number(value)) => record.push(number::plain(*value, kind)),
        (Content::Figure(kind), Cell::Figure(Estimate { value, ci95 })) => {
            record.push(optional(*value, kind));
            if with_intervals {
                record.push(optional(*ci95, kind));
            }
        }
        _ => unreachable!("the cells of a table are what its columns say"),
    }
}

fn optional(value: Option<f64>, kind: Kind) -> String {
    value.map_or_else(String::new, |value| number::plain(value, kind))
}

#[cfg(test)]
mod tests {
    use super::super::{table, tables};
    use super::*;
    use crate::study::{RunResults, fixture};

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn clients_have_the_contract_s_columns() {
        let run = RunResults::pool(&fixture::two_replications()[..1]);
        assert_eq!(
            text(write(tables::clients(&run), false)),
            "client,class,requests,rps,success_pct,latency_mean_ms,latency_p50_ms,latency_p90_ms,latency_p95_ms,\
             latency_p99_ms,latency_p999_ms,latency_max_ms,ok_latency_p50_ms,ok_latency_p99_ms,unfinished\n\
             web,all,6,0.3,83.333333,8.33333,3.00646,29.95,29.95,29.95,29.95,30,3.00646,9.99424,0\n\
             web,get,4,0.2,100,2.5,2.00294,4,4,4,4,4,2.00294,4,0\n\
             web,put,2,0.1,50,20,10,29.95,29.95,29.95,29.95,30,10,10,0\n"
        );
    }

    #[test]
    fn clusters_have_the_contract_s_columns() {
        let run = RunResults::pool(&fixture::two_replications()[..1]);
        let csv = text(write(tables::clusters(&run), false));
        assert_eq!(
            csv.lines().next().expect("a header"),
            "source,service,port,subset,calls,attempts,retries,success_pct,latency_mean_ms,latency_p50_ms,\
             latency_p90_ms,latency_p95_ms,latency_p99_ms,latency_p999_ms,latency_max_ms,\
             upstream_rq_pending_overflow,upstream_rq_retry_overflow,upstream_rq_timeout,\
             upstream_rq_per_try_timeout,upstream_cx_total,upstream_cx_overflow,upstream_cx_connect_fail,ejections,\
             no_healthy_upstream,mirrored,ok_latency_p50_ms,ok_latency_p99_ms"
        );
    }

    #[test]
    fn replications_give_each_figure_a_neighbour() {
        let run = RunResults::pool(&fixture::two_replications());
        let csv = text(write(tables::responses(&run), true));
        let mut lines = csv.lines();
        assert_eq!(lines.next(), Some("scope,source,target,subset,code,flag,count,count_ci95"));
        assert_eq!(lines.next(), Some("client,web,get,,200,-,4,0"));
        assert!(csv.contains("\nclient,web,put,,503,UO,1,0\n"));
        assert!(csv.contains("\ncluster,web,app,v2,200,-,0.5,6.353\n"));
    }

    #[test]
    fn figures_without_data_are_empty_and_commas_are_quoted() {
        let columns = vec![table::text("flag"), table::figure("p99_ms", Kind::Measure)];
        let rows = Box::new(std::iter::once(vec!["URX,UF".into(), Estimate::NONE.into()]));
        assert_eq!(text(write(Table { columns, rows }, true)), "flag,p99_ms,p99_ms_ci95\n\"URX,UF\",,\n");
    }

    #[test]
    fn all_other_headers_are_the_contract_s() {
        let run = RunResults::pool(&fixture::two_replications()[..1]);
        let header = |name: &str| {
            let entry = tables::TABLES.iter().find(|entry| entry.name == name).expect("a table");
            let csv = text(write((entry.make)(&run), false));
            csv.lines().next().expect("a header").to_owned()
        };
        assert_eq!(
            header("hosts"),
            "service,subset,host,zone,attempts,errors,utilization_pct,queue_mean,queue_max,ejections,ejected_s"
        );
        assert_eq!(header("timeseries"), "t_s,scope,source,target,subset,metric,value");
        assert_eq!(header("latency"), "scope,source,target,subset,quantile,latency_ms,count");
        assert_eq!(header("events"), "t_s,kind,object,message,replication");
    }
}
