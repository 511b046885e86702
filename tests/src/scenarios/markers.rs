//! Finds the markers above tests and checks that each of them stands above one.

use std::fmt;

use super::catalogue::LAST;
use crate::repo::lexer::{Comment, Kind, Token, lex};
use crate::repo::tree::{SourceFile, Tree};

/// How near to a real server a test plays its scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// One function or file, effects replaced.
    Unit,
    /// The real planner and reconcilers under a virtual clock.
    Simulator,
    /// The real programs over real sockets and files.
    Integration,
    /// Real servers with real disks and reboots.
    Lab,
}

impl Level {
    const ALL: [Self; 4] = [Self::Unit, Self::Simulator, Self::Integration, Self::Lab];

    fn named(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|level| level.to_string() == text)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unit => "unit",
            Self::Simulator => "simulator",
            Self::Integration => "integration",
            Self::Lab => "lab",
        })
    }
}

/// A test that plays a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Played {
    pub number: u32,
    pub level: Level,
    pub path: String,
    pub function: String,
}

/// What the files say, and every marker that says nothing sound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Markers {
    pub played: Vec<Played>,
    /// `path:line: what is wrong with it`.
    pub faults: Vec<String>,
}

/// What runs on the lab's servers: functions that make checks, which are no tests of the runner.
const STAGES: &str = "tests/lab/src/stages/";

/// Reads every Rust file and every script of the tree.
pub fn scan(tree: &Tree) -> Markers {
    let mut markers = Markers::default();
    for file in &tree.files {
        if file.is_rust() {
            scan_rust(file, &mut markers);
        } else if file.text.starts_with("#!") {
            scan_script(file, &mut markers);
        }
    }
    markers
}

/// The text behind `scenario:`, if a comment is a marker.
fn marker(comment: &str) -> Option<&str> {
    Some(comment.trim_start().strip_prefix("scenario:")?.trim())
}

/// `34, 36 (integration)`.
fn parse(marker: &str) -> Result<(Vec<u32>, Level), String> {
    let shape = || format!("`{marker}` is not `NUMBER[, NUMBER…] (LEVEL)`");
    let (numbers, level) = marker
        .strip_suffix(')')
        .and_then(|m| m.split_once('('))
        .ok_or_else(shape)?;
    let level = Level::named(level.trim()).ok_or_else(|| {
        format!(
            "`{}` is no level; levels are {}",
            level.trim(),
            Level::ALL.map(|l| l.to_string()).join(", ")
        )
    })?;
    let mut found = Vec::new();
    for number in numbers.split(',') {
        let number: u32 = number.trim().parse().map_err(|_| shape())?;
        if !(1..=LAST).contains(&number) {
            return Err(format!(
                "{number} is no scenario; they run from 1 to {LAST}"
            ));
        }
        found.push(number);
    }
    Ok((found, level))
}

impl Markers {
    fn add(&mut self, path: &str, line: usize, marker: &str, test: Result<String, String>) {
        match (parse(marker), test) {
            (Ok((numbers, level)), Ok(function)) => {
                let played = |number| Played {
                    number,
                    level,
                    path: path.to_owned(),
                    function: function.clone(),
                };
                self.played.extend(numbers.into_iter().map(played));
            }
            (Err(fault), _) | (_, Err(fault)) => {
                self.faults.push(format!("{path}:{line}: {fault}"));
            }
        }
    }
}

fn scan_rust(file: &SourceFile, markers: &mut Markers) {
    let lexed = lex(&file.text);
    for Comment { text, line, doc } in &lexed.comments {
        let Some(marker) = marker(text) else { continue };
        let test = if *doc {
            let below = lexed.tokens.iter().position(|t| t.line > *line);
            let below = &lexed.tokens[below.unwrap_or(lexed.tokens.len())..];
            match file.path.starts_with(STAGES) {
                true => row_at(below),
                false => test_at(below),
            }
        } else {
            Err("a scenario is named in a doc comment (`///`), so that it shows in the docs".into())
        };
        markers.add(&file.path, *line, marker, test);
    }
}

/// The function of a lab's stage that begins here. It makes checks, so it is given them.
fn row_at(tokens: &[Token]) -> Result<String, String> {
    let is_fn = |t: &&Token| t.kind == Kind::Ident && t.is("fn");
    let head: Vec<&Token> = tokens.iter().take_while(|t| !t.is("{")).collect();
    let at = head.iter().position(is_fn);
    let name = at.and_then(|at| head.get(at + 1));
    match name {
        Some(name) if head.iter().any(|t| t.is("Checks")) => Ok(name.text.clone()),
        Some(name) => Err(format!("{} is given no checks to make", name.text)),
        None => Err("stands above no function".into()),
    }
}

/// The test function that begins here, behind its attributes.
fn test_at(tokens: &[Token]) -> Result<String, String> {
    let (mut at, mut is_test, mut ignored) = (0, false, false);
    let text = |at: usize| tokens.get(at).map_or("", |t| t.text.as_str());
    while text(at) == "#" && text(at + 1) == "[" {
        let mut depth = 0_usize;
        let start = at + 2;
        for token in &tokens[at + 1..] {
            at += 1;
            match (token.kind, token.text.as_str()) {
                (Kind::Punct, "[") => depth += 1,
                (Kind::Punct, "]") => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        // `#[test]`, `#[tokio::test(…)]`, `#[rstest]`: the last name of the attribute's path.
        let path = tokens[start..at]
            .iter()
            .take_while(|t| t.kind == Kind::Ident || t.is("::"));
        let name = path.last().map_or("", |t| t.text.as_str());
        is_test |= matches!(name, "test" | "rstest");
        ignored |= name == "ignore";
        at += 1;
    }
    let words = tokens.get(at..).unwrap_or_default();
    let before_fn = words
        .iter()
        .take_while(|t| t.kind == Kind::Ident && !t.is("fn"))
        .count();
    let is_fn = words.get(before_fn).is_some_and(|t| t.is("fn"));
    match words.get(before_fn + 1).filter(|_| is_fn) {
        Some(name) if !is_test => Err(format!("{} is not a test", name.text)),
        Some(name) if ignored => Err(format!("{} is ignored, so it plays nothing", name.text)),
        Some(name) => Ok(name.text.clone()),
        None => Err("stands above no function".into()),
    }
}

fn scan_script(file: &SourceFile, markers: &mut Markers) {
    let lines: Vec<&str> = file.text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let Some(marker) = line.strip_prefix('#').and_then(marker) else {
            continue;
        };
        let below = lines[at + 1..].iter().find(|line| !line.starts_with('#'));
        let name = below
            .and_then(|line| line.split_once("()"))
            .map(|(name, _)| name.trim());
        let test = match name.filter(|n| !n.is_empty() && !n.contains(' ')) {
            Some(name) => Ok(name.to_owned()),
            None => Err("stands above no function".into()),
        };
        markers.add(&file.path, at + 1, marker, test);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(path: &str, text: &str) -> Markers {
        scan(&Tree::of(&[(path, text)]))
    }

    fn fault(text: &str) -> String {
        let markers = scanned("a.rs", text);
        assert_eq!(markers.played, [], "{text}");
        markers.faults.join("\n")
    }

    #[test]
    fn a_marker_above_a_test_is_found_through_other_attributes() {
        let markers = scanned(
            "tests/tests/join.rs",
            "/// One wins.\n/// scenario: 34, 36 (integration)\n#[tokio::test(flavor = \"multi_thread\")]\n\
             #[cfg(unix)]\npub async fn one_wins() {}\n",
        );
        assert_eq!(markers.faults, [""; 0]);
        let found: Vec<_> = markers
            .played
            .iter()
            .map(|p| (p.number, p.level, &*p.function))
            .collect();
        assert_eq!(
            found,
            [
                (34, Level::Integration, "one_wins"),
                (36, Level::Integration, "one_wins")
            ]
        );
    }

    #[test]
    fn a_marker_above_something_else_is_a_fault() {
        assert!(fault("/// scenario: 1 (unit)\nfn helper() {}\n").contains("helper is not a test"));
        assert!(fault("/// scenario: 1 (unit)\nstruct A;\n").contains("above no function"));
        assert!(fault("/// scenario: 1 (unit)\n").contains("above no function"));
        let ignored = "/// scenario: 1 (unit)\n#[test]\n#[ignore = \"slow\"]\nfn a() {}\n";
        assert!(fault(ignored).contains("a is ignored"));
        assert!(fault("// scenario: 1 (unit)\n#[test]\nfn a() {}\n").contains("doc comment"));
    }

    #[test]
    fn a_row_of_the_lab_makes_checks() {
        let row = |head: &str| {
            let text = format!("/// scenario: 24 (lab)\n{head} {{}}\n");
            scanned("tests/lab/src/stages/patching/kernel.rs", &text)
        };
        let found = row("pub(super) fn panics(checks: &mut Checks, lab: &Lab)");
        assert_eq!(found.faults, [""; 0]);
        assert_eq!(found.played[0].function, "panics");
        let other = row("fn script(release: &str) -> String");
        assert!(other.faults[0].contains("script is given no checks to make"));
    }

    #[test]
    fn a_malformed_marker_is_a_fault() {
        let with = |marker: &str| fault(&format!("/// scenario: {marker}\n#[test]\nfn a() {{}}\n"));
        assert!(with("34").contains("is not `NUMBER"));
        assert!(with("x (unit)").contains("is not `NUMBER"));
        assert!(with("65 (unit)").contains("65 is no scenario"));
        assert!(with("0 (unit)").contains("0 is no scenario"));
        assert!(with("1 (manual)").contains("`manual` is no level; levels are unit, simulator"));
    }

    #[test]
    fn a_marker_inside_a_string_is_no_marker() {
        assert_eq!(
            scanned("a.rs", "const A: &str = \"\n/// scenario: 1 (unit)\n\";\n"),
            Markers::default()
        );
    }

    #[test]
    fn a_marker_in_a_script_stands_above_its_function() {
        let markers = scanned(
            "tests/lab/network.sh",
            "#!/usr/bin/env bash\n# scenario: 29 (lab)\n# The link is cut.\ncut_off() {\n}\n# scenario: 30 (lab)\nx=1\n",
        );
        assert_eq!(markers.played[0].function, "cut_off");
        assert_eq!(
            markers.faults,
            ["tests/lab/network.sh:6: stands above no function"]
        );
    }
}
