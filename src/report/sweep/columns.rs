//! Tables of points: for a terminal in columns whose figures are never cut, and for a page of Markdown.

use super::super::Look;
use super::super::terminal::shortened;

/// Letters to which titles of figures are cut so that more of them stand beside each other.
const TITLE: usize = 20;
/// The same of values that are varied.
const VALUE: usize = 16;
/// And of their titles.
const NAME: usize = 10;

/// Columns two blanks apart. Those behind the first `leading` ones go below each other, in blocks that all have the
/// leading ones, where they have no room side by side.
pub fn blocks(titles: &[String], rows: &[Vec<String>], leading: usize, look: &Look) -> Vec<String> {
    let columns: Vec<Column> = (0..titles.len())
        .map(|index| {
            Column::of(index, &titles[index], rows, if index < leading { VALUE } else { usize::MAX })
        })
        .collect();
    let (lead, others) = columns.split_at(leading.min(columns.len()));
    let mut lines = Vec::new();
    for group in groups(lead, others, look.width) {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        let shown: Vec<&Column> = lead.iter().chain(group).collect();
        let widths = widths(&shown, look.width);
        let dots = if look.unicode { '…' } else { '~' };
        let line = |row: &[String]| {
            let each = shown.iter().zip(&widths);
            let text: String = each
                .map(|(column, width)| format!("  {:<width$}", shortened(&row[column.index], *width, dots)))
                .collect();
            text.trim_end().to_owned()
        };
        lines.push(look.dim(&line(titles)));
        lines.extend(rows.iter().map(|row| line(row)));
    }
    lines
}

#[derive(Clone, Copy, Debug)]
struct Column {
    index: usize,
    /// Letters that it would have.
    wanted: usize,
    /// And those that it must have.
    least: usize,
}

impl Column {
    /// Of cells that are longer than `cut` less may be shown.
    fn of(index: usize, title: &str, rows: &[Vec<String>], cut: usize) -> Column {
        let length = |text: &str| text.chars().count();
        let cells = rows.iter().map(|row| length(&row[index])).max().unwrap_or(0);
        let title = length(title);
        let short = if cut == usize::MAX { TITLE } else { NAME };
        Column { index, wanted: cells.max(title), least: cells.min(cut).max(title.min(short)) }
    }
}

/// Which columns stand side by side: as many as have room, in their order.
fn groups<'a>(lead: &[Column], others: &'a [Column], width: usize) -> Vec<&'a [Column]> {
    let taken: usize = lead.iter().map(|column| column.least + 2).sum();
    let mut groups = Vec::new();
    let (mut start, mut used) = (0, taken);
    for (place, column) in others.iter().enumerate() {
        if used + column.least + 2 > width && place > start {
            groups.push(&others[start..place]);
            (start, used) = (place, taken);
        }
        used += column.least + 2;
    }
    groups.push(&others[start..]);
    groups
}

/// A letter at a time is taken from the widest that may give one, until all fit.
fn widths(columns: &[&Column], width: usize) -> Vec<usize> {
    let mut widths: Vec<usize> = columns.iter().map(|column| column.wanted).collect();
    while widths.iter().map(|width| width + 2).sum::<usize>() > width {
        let may_give = (0..columns.len()).filter(|place| widths[*place] > columns[*place].least);
        let Some(widest) = may_give.max_by_key(|place| widths[*place]) else { break };
        widths[widest] -= 1;
    }
    widths
}

/// A table of Markdown.
pub fn markdown(titles: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| {
        let safe: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", safe.join(" | "))
    };
    let rule = vec!["---".to_owned(); titles.len()];
    [titles, &rule].into_iter().chain(rows.iter().map(Vec::as_slice)).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(width: usize) -> Vec<String> {
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let titles = texts(&["point", "replicas", "client.browser p(99) < 150ms", "success >= 99.5%"]);
        let rows = [
            texts(&["0 !", "1", "x  5.001s +- 0.017", "+  99.741% +- 0.012"]),
            texts(&["10", "2", "+  98.1ms +- 1.2", "x? 99.4% +- 0.2"]),
        ];
        blocks(&titles, &rows, 2, &Look { width, unicode: false, ..Look::PLAIN })
    }

    #[test]
    fn titles_are_cut_before_columns_go_below_each_other_and_figures_never() {
        for width in [30, 40, 60, 64, 70, 100] {
            let lines = table(width);
            let text = lines.join("\n");
            for figure in ["x  5.001s +- 0.017", "+  99.741% +- 0.012", "x? 99.4% +- 0.2"] {
                assert!(text.contains(figure), "{width}: {text}");
            }
            assert!(lines.iter().all(|line| line.chars().count() <= width.max(40)), "{width}: {text}");
        }
        assert_eq!(table(100)[0], "  point  replicas  client.browser p(99) < 150ms  success >= 99.5%");
        assert_eq!(table(64)[0], "  point  replicas  client.brows~99) < 150ms  success >= 99.5%");
        let narrow = [
            "  point  replicas  client.brow~99) < 150ms",
            "  0 !    1         x  5.001s +- 0.017",
            "  10     2         +  98.1ms +- 1.2",
            "",
            "  point  replicas  success >= 99.5%",
            "  0 !    1         +  99.741% +- 0.012",
            "  10     2         x? 99.4% +- 0.2",
        ];
        assert_eq!(table(42), narrow);
    }

    #[test]
    fn a_bar_in_a_cell_is_no_column() {
        let text = markdown(&["a".to_owned()], &[vec!["b|c".to_owned()]]);
        assert_eq!(text, "| a |\n| --- |\n| b\\|c |\n");
    }
}
