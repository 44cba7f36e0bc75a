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
pub struct Field<'a> {
    pub title: &'a str,
    pub set: Set,
    pub expendable: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// To the left; cut in its middle where there is no room.
    Name,
    /// To the right; never cut.
    Number,
    /// To the left, most important first: `UO 12, UT 3`; cut between its entries.
    List,
}

/// Lines of aligned columns, two blanks apart, indented by two. Columns without any text are left out, and so are
/// expendable ones, while names and lists are cut, until all fits.
pub fn grid(fields: &[Field<'_>], rows: &[Vec<String>], look: &Look) -> Vec<String> {
    let widths = fit(fields, rows, look.width);
    let titles: Vec<String> = fields.iter().map(|field| field.title.to_owned()).collect();
    let dots = if look.unicode { '…' } else { '~' };
    let line = |row: &Vec<String>| {
        let mut text = String::new();
        for ((cell, field), width) in row.iter().zip(fields).zip(&widths) {
            let Some(width) = *width else { continue };
            text.push_str("  ");
            text.push_str(&match field.set {
                Set::Name => format!("{:<width$}", shortened(cell, width, dots)),
                Set::Number => format!("{cell:>width$}"),
                Set::List => format!("{:<width$}", shortened_list(cell, width, dots)),
            });
        }
        text.trim_end().to_owned()
    };
    std::iter::once(look.dim(&line(&titles))).chain(rows.iter().map(line)).collect()
}

/// What may happen to a table, mildest first: columns more expendable than the first number go, names are cut down to
/// the second, and lists, once names are cut, to their first entry.
const MEASURES: [(u8, usize); 8] =
    [(u8::MAX, usize::MAX), (4, usize::MAX), (3, usize::MAX), (3, 16), (2, 16), (1, 16), (1, 8), (0, 8)];

/// Width of each column, `None` for those left out, by the mildest measure that makes them fit.
fn fit(fields: &[Field<'_>], rows: &[Vec<String>], room: usize) -> Vec<Option<usize>> {
    let widest = |column: usize, of: &dyn Fn(&str) -> usize| {
        let most = rows.iter().map(|row| of(&row[column])).max().unwrap_or(0);
        (most > 0).then(|| most.max(fields[column].title.chars().count()))
    };
    let (mut widths, mut least) = (Vec::new(), Vec::new());
    for (spared, floor) in MEASURES {
        let is_shown = |column: &usize| fields[*column].expendable <= spared;
        let of_shown = |column: usize, of: &dyn Fn(&str) -> usize| {
            Some(column).filter(is_shown).and_then(|column| widest(column, of))
        };
        let columns = 0..fields.len();
        widths = columns.clone().map(|column| of_shown(column, &|cell| cell.chars().count())).collect();
        least = columns
            .map(|column| match fields[column].set {
                Set::Name => widths[column].map(|width| width.min(floor)),
                Set::List if floor < usize::MAX => of_shown(column, &first_entry),
                Set::Number | Set::List => widths[column],
            })
            .collect();
        if excess(&least, room) == 0 {
            break;
        }
    }
    shrink(fields, &mut widths, &least, room);
    widths
}

fn excess(widths: &[Option<usize>], room: usize) -> usize {
    widths.iter().flatten().map(|width| width + 2).sum::<usize>().saturating_sub(room)
}

/// Takes a character at a time from the widest name that may give one, then from lists.
fn shrink(fields: &[Field<'_>], widths: &mut [Option<usize>], least: &[Option<usize>], room: usize) {
    for _ in 0..excess(widths, room) {
        let may_give = |column: &usize| widths[*column] > least[*column];
        let giving = (0..fields.len()).filter(may_give);
        let rank = |column: &usize| (fields[*column].set == Set::Name, widths[*column]);
        let Some(column) = giving.max_by_key(rank) else { return };
        widths[column] = widths[column].map(|width| width - 1);
    }
}

/// Width of a list of which only the first entry is shown.
fn first_entry(list: &str) -> usize {
    let first = list.split(ENTRY).next().unwrap_or_default().chars().count();
    if list.contains(ENTRY) { first + ENTRY.len() + 1 } else { first }
}

/// Between the entries of a list.
const ENTRY: &str = ", ";

/// As many entries as fit in `width`, the first always.
fn shortened_list(list: &str, width: usize, dots: char) -> String {
    if list.chars().count() <= width {
        return list.to_owned();
    }
    let mut text = String::new();
    for entry in list.split(ENTRY) {
        let longer = if text.is_empty() { entry.to_owned() } else { format!("{text}{ENTRY}{entry}") };
        if !text.is_empty() && longer.chars().count() + ENTRY.len() + 1 > width {
            break;
        }
        text = longer;
    }
    format!("{text}{ENTRY}{dots}")
}

/// Breaks lines that are too long at blanks; continuations are set in by two more than their line.
pub fn wrapped(lines: impl Iterator<Item = String>, room: usize) -> Vec<String> {
    let mut all = Vec::new();
    for line in lines {
        if line.chars().count() <= room {
            all.push(line);
            continue;
        }
        let indent = line.chars().take_while(|letter| *letter == ' ').count();
        let mut current = " ".repeat(indent);
        let mut is_empty = true;
        for word in words(&line) {
            if !is_empty && current.chars().count() + 1 + word.chars().count() > room {
                all.push(std::mem::replace(&mut current, " ".repeat(indent + 2)));
                is_empty = true;
            }
            if !is_empty {
                current.push(' ');
            }
            current.push_str(&word);
            is_empty = false;
        }
        all.push(current);
    }
    all
}

/// What may stand on lines of its own: `1 234` is one word.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let digits = word.chars().take_while(char::is_ascii_digit).count();
        match words.last_mut() {
            Some(last) if digits == 3 && last.ends_with(|c: char| c.is_ascii_digit()) => {
                *last += &format!(" {word}");
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
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

    const FIELDS: [Field<'_>; 4] = [
        Field { title: "service", set: Set::Name, expendable: 0 },
        Field { title: "p90", set: Set::Number, expendable: 5 },
        Field { title: "p99", set: Set::Number, expendable: 0 },
        Field { title: "failures", set: Set::List, expendable: 1 },
    ];

    fn row(cells: [&str; 4]) -> Vec<String> {
        cells.map(str::to_owned).to_vec()
    }

    #[test]
    fn columns_line_up() {
        let rows = [row(["productpage", "8ms", "214ms", ""]), row(["b", "12ms", "9ms", ""])];
        let lines = grid(&FIELDS, &rows, &Look::PLAIN);
        assert_eq!(
            lines,
            ["  service       p90    p99", "  productpage   8ms  214ms", "  b            12ms    9ms"]
        );
    }

    #[test]
    fn short_lines_lose_what_tells_least_first_and_failures_last() {
        let rows = [row(["productpage-of-the-shop", "8ms", "214ms", "UO 1 204, UT,URX 12"])];
        let narrow = |width| grid(&FIELDS, &rows, &Look { width, ..Look::PLAIN })[1].clone();
        assert_eq!(narrow(58), "  productpage-of-the-shop  8ms  214ms  UO 1 204, UT,URX 12");
        assert_eq!(narrow(57), "  productpage-of-the-shop  214ms  UO 1 204, UT,URX 12");
        assert_eq!(narrow(52), "  productpage…f-the-shop  214ms  UO 1 204, UT,URX 12");
        assert_eq!(narrow(44), "  productp…he-shop  214ms  UO 1 204, …");
        assert_eq!(narrow(32), "  prod…hop  214ms  UO 1 204, …");
        assert_eq!(narrow(27), "  productpa…the-shop  214ms");
    }

    #[test]
    fn columns_without_text_are_left_out() {
        let rows = [row(["a", "", "9ms", ""])];
        assert_eq!(grid(&FIELDS, &rows, &Look::PLAIN)[0], "  service  p99");
    }

    #[test]
    fn long_lines_are_broken_and_others_are_left_as_they_are() {
        let lines = ["  a   b", "  one two  three four"].map(str::to_owned).into_iter();
        assert_eq!(wrapped(lines, 11), ["  a   b", "  one two", "    three", "    four"]);
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
