//! apt's status stream (`APT::Status-Fd`), for people to look at.
//!
//! No line of it says that a transaction is over, and there is no way to ask this reader: after a
//! power cut the stream's last lines are missing, torn or full of NULs, so its end proves nothing.

use crate::words::plain;

/// How far it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    pub stage: Stage,
    /// 0 to 100, of this stage.
    pub percent: f32,
    /// apt's words for what it does, fit for one line.
    pub doing: String,
    /// What went wrong, with the package it went wrong for.
    pub errors: Vec<String>,
    /// Configuration files that their owner and the package have both changed. The owner's stay, and
    /// a person has to look at them: the package's own lies beside each as `.dpkg-dist`. This is the
    /// only place where dpkg says so when it is told not to ask.
    pub conffiles: Vec<String>,
}

/// What apt is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Downloading,
    Installing,
}

/// The newest whole line's state; `None` before the first one.
pub fn progress(stream: &[u8]) -> Option<Progress> {
    let mut latest: Option<(Stage, f32, String)> = None;
    let (mut errors, mut conffiles) = (Vec::new(), Vec::new());
    for line in surviving_lines(stream) {
        let Some((kind, rest)) = line.split_once(':') else {
            continue;
        };
        let Some((subject, percent, words)) = fields(rest) else {
            continue;
        };
        match kind {
            "dlstatus" => latest = Some((Stage::Downloading, percent, plain(words))),
            "pmstatus" => latest = Some((Stage::Installing, percent, plain(words))),
            "pmerror" => errors.push(format!("{}: {}", plain(subject), plain(words))),
            "pmconffile" if words.trim_end().ends_with(" 1 1") => conffiles.push(plain(subject)),
            _ => {}
        }
    }
    latest.map(|(stage, percent, doing)| Progress {
        stage,
        percent,
        doing,
        errors,
        conffiles,
    })
}

/// `SUBJECT:PERCENT:WORDS`. A subject may hold colons (an architecture), and so may the words.
fn fields(rest: &str) -> Option<(&str, f32, &str)> {
    let mut from = 0;
    while let Some(at) = rest[from..].find(':') {
        let (subject, after) = (&rest[..from + at], &rest[from + at + 1..]);
        let (number, words) = after.split_once(':')?;
        if let Ok(percent) = number.parse::<f32>()
            && (0.0..=100.0).contains(&percent)
            && number.contains('.')
        {
            return Some((subject, percent, words));
        }
        from += at + 1;
    }
    None
}

/// Lines of a log that a power cut may have torn: only those that end, and none with bytes that no
/// program prints (a tail that was allocated and never written reads as NULs).
fn surviving_lines(log: &[u8]) -> impl Iterator<Item = &str> {
    log.split_inclusive(|b| *b == b'\n')
        .filter_map(|line| line.strip_suffix(b"\n"))
        .filter(|line| !line.contains(&0))
        .filter_map(|line| std::str::from_utf8(line).ok())
}
