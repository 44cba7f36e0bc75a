//! What text needs of a terminal: its width, whether it has colours and more than ASCII, and aligned columns.

use anstyle::{AnsiColor, Style};

/// How text is to look. Width is in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    pub width: usize,
    pub colour: bool,
    /// Block characters, check marks, `±`; else ASCII.
    pub unicode: bool,
}

impl Look {
    /// A pipe or file: no colour.
    pub const PLAIN: Look = Look { width: 100, colour: false, unicode: true };

    pub fn pick(&self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.unicode { unicode } else { ascii }
    }

    pub fn bold(&self, text: &str) -> String {
        self.paint(text, Style::new().bold())
    }

    pub fn dim(&self, text: &str) -> String {
        self.paint(text, Style::new().dimmed())
    }

    pub fn good(&self, text: &str) -> String {
        self.paint(text, AnsiColor::Green.on_default().bold())
    }

    pub fn bad(&self, text: &str) -> String {
        self.paint(text, AnsiColor::Red.on_default().bold())
    }

    pub fn doubtful(&self, text: &str) -> String {
        self.paint(text, AnsiColor::Yellow.on_default().bold())
    }

    fn paint(&self, text: &str, style: Style) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// How a column is set, and when it may go if the width is short: highest number first, 0 never.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub title: &'static str,
    pub right: bool,
    pub expendable: u8,
}

/// Lines of aligned columns, two blanks apart, indented by two. Columns without any text are left out, and so are
/// names are cut and expendable columns left out until all fits.
pub fn grid(fields: &[Field], rows: &[Vec<String>], look: &Look) -> Vec<String> {
    let mut widths: Vec<Option<usize>> = (0..fields.len())
        .map(|column| {
            let most = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            (most > 0).then(|| most.max(fields[column].title.chars().count()))
        })
        .collect();
    fit(fields, &mut widths, look.width);
    let titles: Vec<String> = fields.iter().map(|field| field.title.to_owned()).collect();
    let dots = if look.unicode { '…' } else { '~' };
    let line = |row: &Vec<String>| {
        let mut text = String::new();
        for ((cell, field), width) in row.iter().zip(fields).zip(&widths) {
            let Some(width) = *width else { continue };
            let cell = shortened(cell, width, dots);
            text.push_str("  ");
            text.push_str(&if field.right { format!("{cell:>width$}") } else { format!("{cell:<width$}") });
        }
        text.trim_end().to_owned()
    };
    std::iter::once(look.dim(&line(&titles))).chain(rows.iter().map(line)).collect()
}

/// Makes the columns fit: what is expendable goes, then names are cut, then what is a little expendable goes, then
/// names are cut to their minimum.
fn fit(fields: &[Field], widths: &mut [Option<usize>], room: usize) {
    for (spared, floor) in [(1, 16), (0, 8)] {
        while let excess @ 1.. = excess(widths, room) {
            let shown = (0..fields.len()).filter(|column| widths[*column].is_some());
            match shown.max_by_key(|column| fields[*column].expendable) {
                Some(column) if fields[column].expendable > spared => widths[column] = None,
                _ => {
                    shrink_names(fields, widths, excess, floor);
                    break;
                }
            }
        }
    }
}

fn excess(widths: &[Option<usize>], room: usize) -> usize {
    widths.iter().flatten().map(|width| width + 2).sum::<usize>().saturating_sub(room)
}

/// Takes `excess` characters from the left-set columns, widest first, down to `floor` each.
fn shrink_names(fields: &[Field], widths: &mut [Option<usize>], excess: usize, floor: usize) {
    for _ in 0..excess {
        let names =
            (0..fields.len()).filter(|column| !fields[*column].right && fields[*column].expendable == 0);
        let widest = names.max_by_key(|column| widths[*column].unwrap_or(0));
        match widest.and_then(|column| widths[column].as_mut()) {
            Some(width) if *width > floor => *width -= 1,
            _ => return,
        }
    }
}

/// At most `width` characters. What is left out is in the middle, as names often differ at their ends.
pub fn shortened(text: &str, width: usize, dots: char) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= width {
        return text.to_owned();
    }
    let tail = width.saturating_sub(1) / 2;
    let head = width.saturating_sub(1) - tail;
    letters[..head].iter().chain([&dots]).chain(&letters[letters.len() - tail..]).collect()
}

/// One character for each of at most `width` slices of time, the largest value of a slice as its height over 0.
/// The top is the largest value, or twice the median if that is more: what is steady looks steady, at half height.
/// Blank where nothing was measured.
pub fn sparkline(values: &[Option<f64>], width: usize, look: &Look) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const ASCII: [char; 8] = ['_', '.', ':', '-', '=', '+', '*', '#'];
    let levels = if look.unicode { BLOCKS } else { ASCII };
    let mut known: Vec<f64> = values.iter().flatten().copied().collect();
    known.sort_by(f64::total_cmp);
    let most = known.last().map_or(0.0, |last| last.max(2.0 * known[known.len() / 2]));
    let slices = values.len().min(width);
    let slice = |index: usize| {
        let part = &values[index * values.len() / slices..(index + 1) * values.len() / slices];
        let top = part.iter().flatten().copied().reduce(f64::max);
        top.map_or(' ', |top| {
            let level = if most > 0.0 { (top / most * 8.0).ceil() as usize } else { 1 };
            levels[level.clamp(1, 8) - 1]
        })
    };
    (0..slices).map(slice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [Field; 3] = [
        Field { title: "service", right: false, expendable: 0 },
        Field { title: "p90", right: true, expendable: 1 },
        Field { title: "p99", right: true, expendable: 0 },
    ];

    fn row(cells: [&str; 3]) -> Vec<String> {
        cells.map(str::to_owned).to_vec()
    }

    #[test]
    fn columns_line_up() {
        let rows = [row(["productpage", "8ms", "214ms"]), row(["b", "12ms", "9ms"])];
        let lines = grid(&FIELDS, &rows, &Look::PLAIN);
        assert_eq!(
            lines,
            ["  service       p90    p99", "  productpage   8ms  214ms", "  b            12ms    9ms"]
        );
    }

    #[test]
    fn short_lines_lose_what_is_expendable_and_then_cut_names() {
        let rows = [row(["productpage", "8ms", "214ms"])];
        let narrow = |width| grid(&FIELDS, &rows, &Look { width, ..Look::PLAIN })[1].clone();
        assert_eq!(narrow(21), "  productpage  214ms");
        assert_eq!(narrow(18), "  prod…page  214ms");
    }

    #[test]
    fn columns_without_text_are_left_out() {
        let rows = [row(["a", "", "9ms"])];
        assert_eq!(grid(&FIELDS, &rows, &Look::PLAIN)[0], "  service  p99");
    }

    #[test]
    fn sparklines_show_the_largest_of_each_slice() {
        let values = [1.0, 8.0, 2.0, 2.0].map(Some);
        assert_eq!(sparkline(&values, 4, &Look::PLAIN), "▁█▂▂");
        assert_eq!(sparkline(&values, 2, &Look::PLAIN), "█▂");
        assert_eq!(sparkline(&[Some(40.0), Some(39.0)], 2, &Look::PLAIN), "▄▄");
        assert_eq!(sparkline(&[Some(0.0), None], 9, &Look { unicode: false, ..Look::PLAIN }), "_ ");
        assert_eq!(sparkline(&[], 9, &Look::PLAIN), "");
    }

    #[test]
    fn colours_are_escape_codes_or_nothing() {
        let look = Look { colour: true, ..Look::PLAIN };
        assert_eq!(Look::PLAIN.good("PASS"), "PASS");
        assert!(look.good("PASS").starts_with('\u{1b}'));
    }
}
