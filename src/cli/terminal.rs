//! What the terminal can show, and how far a run has come.

use std::env;
use std::io::{self, IsTerminal};
use std::sync::Mutex;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::arguments::ColorWhen;
use crate::report::Look;

/// Short runs show no bar.
const FIRST_DRAW: Duration = Duration::from_millis(300);

/// Makes `--color` hold for both streams, before anything is printed. `NO_COLOR`, `CLICOLOR_FORCE` and
/// `TERM=dumb` count where it says `auto`.
pub fn set_color(when: ColorWhen) {
    match when {
        ColorWhen::Auto => {}
        ColorWhen::Always => ColorChoice::Always.write_global(),
        ColorWhen::Never => ColorChoice::Never.write_global(),
    }
}

/// How results look on standard output.
pub fn look() -> Look {
    let stdout = io::stdout();
    let is_terminal = stdout.is_terminal();
    let colour = AutoStream::choice(&stdout) != ColorChoice::Never;
    let width = columns().or_else(|| is_terminal.then(terminal_width)).unwrap_or(Look::PLAIN.width);
    Look { width: width.max(40), colour, unicode: !is_terminal || has_unicode() }
}

/// Whether findings on standard error are coloured.
pub fn stderr_has_colour() -> bool {
    AutoStream::choice(&io::stderr()) != ColorChoice::Never
}

fn columns() -> Option<usize> {
    env::var("COLUMNS").ok()?.parse().ok().filter(|width| *width > 0)
}

fn terminal_width() -> usize {
    terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0))
}

/// By the locale, as the terminal itself does not say.
fn has_unicode() -> bool {
    if env::var("TERM").is_ok_and(|term| term == "dumb") {
        return false;
    }
    let names = ["LC_ALL", "LC_CTYPE", "LANG"];
    let locale = names.iter().find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
    // Outside of Unix no locale is told, and terminals know Unicode.
    locale.map_or(cfg!(not(unix)), |locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// A bar on standard error: on a terminal, outside of CI, and if the run takes long enough to want one.
pub struct Progress {
    bar: ProgressBar,
    starter: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

impl Progress {
    /// `steps` in all.
    pub fn new(steps: u64, is_wanted: bool) -> Progress {
        Progress::styled(Some(steps), is_wanted, "  simulating {bar:32} {percent:>3}%  {eta} left")
    }

    /// Nobody knows how many steps it will take; what was said last is shown.
    pub fn open_ended(is_wanted: bool) -> Progress {
        Progress::styled(None, is_wanted, "  {spinner} {msg}")
    }

    fn styled(steps: Option<u64>, is_wanted: bool, template: &str) -> Progress {
        let bar = ProgressBar::with_draw_target(steps, ProgressDrawTarget::hidden());
        if !is_wanted || !io::stderr().is_terminal() || env::var_os("CI").is_some() {
            return Progress { bar, starter: Mutex::new(None) };
        }
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.expect("the template is sound"));
        let (over, is_over) = mpsc::channel();
        let shown = bar.clone();
        let starter = thread::spawn(move || {
            if is_over.recv_timeout(FIRST_DRAW) == Err(mpsc::RecvTimeoutError::Timeout) {
                shown.set_draw_target(ProgressDrawTarget::stderr());
                shown.enable_steady_tick(Duration::from_millis(200));
            }
        });
        Progress { bar, starter: Mutex::new(Some((over, starter))) }
    }

    /// There will be so many steps more.
    pub fn expect(&self, steps: u64) {
        self.bar.inc_length(steps);
    }

    pub fn step(&self) {
        self.bar.inc(1);
    }

    pub fn say(&self, what: String) {
        self.bar.set_message(what);
    }

    /// Wall time since the start, for people; no result gets it.
    pub fn seconds(&self) -> f64 {
        self.bar.elapsed().as_secs_f64()
    }

    /// Leaves nothing on the screen.
    pub fn finish(&self) {
        let starter = self.starter.lock().ok().and_then(|mut starter| starter.take());
        if let Some((over, starter)) = starter {
            drop(over);
            // It cannot have panicked, and if it did, only the bar is lost.
            let _ = starter.join();
        }
        self.bar.finish_and_clear();
    }
}
