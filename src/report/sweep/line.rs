//! The file of finished points, line by line: the study first, then its points in order. A line carries the sum of
//! what stands in it, so that one that was torn by a full disk or a killed process is known for what it is.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::stamp;

/// The file's name in the output folder.
pub const POINTS_FILE: &str = "sweep.points";

/// Letters of the sum: enough to tell a torn line, not made against anybody.
const SUM: usize = 16;

/// The line of a study or a point, its end included.
pub fn write(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).expect("values of ours have string keys");
    format!("{} {text}\n", &stamp::sha256(text.as_bytes())[..SUM])
}

/// What a line says, without its end; `None` if it is not whole.
pub fn read<T: DeserializeOwned>(line: &str) -> Option<T> {
    let (sum, text) = line.split_once(' ')?;
    let is_whole = sum.len() == SUM && stamp::sha256(text.as_bytes()).starts_with(sum);
    is_whole.then(|| serde_json::from_str(text).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_to_the_bit_and_torn_ones_do_not() {
        let values = vec![Some(0.1 + 0.2), Some(1.0 / 3.0), None, Some(5e-324), Some(123_456_789.123_456_7)];
        let line = write(&values);
        let line = line.strip_suffix('\n').expect("an end");
        assert_eq!(read::<Vec<Option<f64>>>(line), Some(values));
        for cut in [0, 5, SUM, line.len() - 1] {
            assert_eq!(read::<Vec<Option<f64>>>(&line[..cut]), None, "cut at {cut}");
        }
        assert_eq!(read::<Vec<Option<f64>>>(&line.replace('9', "8")), None);
    }
}
