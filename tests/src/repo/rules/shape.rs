//! Sizes, stubs and the wording of errors.

use super::{Finding, Rule};
use crate::repo::lexer::{Kind, Token};
use crate::repo::tree::Tree;

const MAIN_LINES: usize = 80;
const FILE_LINES: usize = 600;

/// Put together here so that this file does not object to itself.
const MARKS: &[&str] = &[
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
    concat!("XX", "X"),
];

pub const SHORT_MAIN: Rule = Rule {
    name: "a main.rs has at most 80 lines",
    why: "it reads arguments, prints one error chain and picks the exit code; the rest is testable \
          only in the library",
    remedy: "move the rest into app.rs",
    check: |tree| longer_than(tree, "main.rs", MAIN_LINES),
    counterexample: &[("agent/src/main.rs", LONG)],
};

pub const SHORT_FILES: Rule = Rule {
    name: "a Rust file has at most 600 lines",
    why: "a file of that size holds more than one idea, and is read by nobody as a whole",
    remedy: "split it where the second idea begins; code that a program wrote goes under gen/",
    check: |tree| longer_than(tree, ".rs", FILE_LINES),
    counterexample: &[("agent/src/session.rs", LONG)],
};

pub const NO_STUBS: Rule = Rule {
    name: "nothing is left as a stub or a mark",
    why: "a mark is a defect with a label; an operator meets the defect, not the label",
    remedy: "build it, or leave it out and open an issue",
    check: no_stubs,
    counterexample: &[("agent/src/lib.rs", "fn f() { todo!() }\n")],
};

pub const ERROR_STYLE: Rule = Rule {
    name: "error texts are lower case, without a full stop, and do not repeat their source",
    why: "they are printed as one chain, `cannot do this: because of that`; capitals and stops \
          break the line, and a repeated source says everything twice",
    remedy: "reword it; leave {source} to the chain's printer",
    check: error_style,
    counterexample: &[(
        "agent/src/lib.rs",
        "enum E { #[error(\"Cannot open {path}: {source}.\")] Open { path: String } }\n",
    )],
};

/// 601 lines.
const LONG: &str = {
    const LINES: [u8; 601] = [b'\n'; 601];
    match std::str::from_utf8(&LINES) {
        Ok(text) => text,
        Err(_) => "",
    }
};

fn longer_than(tree: &Tree, suffix: &str, most: usize) -> Vec<Finding> {
    let files = tree
        .rust()
        .filter(|f| f.path.ends_with(suffix) && !f.is_generated());
    files
        .map(|file| (file, file.text.lines().count()))
        .filter(|(_, lines)| *lines > most)
        .map(|(file, lines)| Finding::new(&file.path, 0, format!("has {lines} lines")))
        .collect()
}

fn no_stubs(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        for (number, line) in file.numbered() {
            let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            if let Some(mark) = words.find(|word| MARKS.contains(word)) {
                findings.push(Finding::new(
                    &file.path,
                    number,
                    format!("holds the mark {mark}"),
                ));
            }
        }
        if file.is_rust() {
            let tokens = file.lexed().tokens;
            let stubs = tokens.windows(2).filter(|pair| {
                matches!(&*pair[0].text, "todo" | "unimplemented") && pair[1].is("!")
            });
            findings.extend(
                stubs.map(|pair| {
                    Finding::new(&file.path, pair[0].line, format!("{}!", pair[0].text))
                }),
            );
        }
    }
    findings
}

fn error_style(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust().filter(|f| !f.path.starts_with("tests/")) {
        let tokens = file.lexed().tokens;
        for window in tokens.windows(4) {
            let [hash, error, open, text] = window else {
                continue;
            };
            let attribute = hash.is("[") && error.is("error") && open.is("(");
            if attribute && text.kind == Kind::Literal {
                let faults = faults_of(text).into_iter();
                findings.extend(faults.map(|what| Finding::new(&file.path, text.line, what)));
            }
        }
    }
    findings
}

fn faults_of(token: &Token) -> Vec<String> {
    let text = token.text.as_str();
    let mut letters = text.chars();
    let capital = letters.next().is_some_and(char::is_uppercase)
        // A word of capitals is a name: SMART, TLS.
        && letters.next().is_some_and(char::is_lowercase);
    let mut faults = Vec::new();
    if capital {
        faults.push(format!("begins with a capital: {text:?}"));
    }
    if text.ends_with('.') {
        faults.push(format!("ends with a full stop: {text:?}"));
    }
    if text.contains("{source") {
        faults.push(format!("repeats its source: {text:?}"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    #[test]
    fn generated_code_may_be_long() {
        assert_eq!(
            places(&SHORT_FILES, &[("proto/src/gen/h8lio.v1.rs", LONG)]),
            [""; 0]
        );
    }

    #[test]
    fn each_fault_of_an_error_text_is_named() {
        let findings = (ERROR_STYLE.check)(&Tree::of(ERROR_STYLE.counterexample));
        assert_eq!(findings.len(), 3, "{findings:?}");
    }

    #[test]
    fn names_in_capitals_begin_an_error_text() {
        let files = [("a/src/a.rs", "#[error(\"TLS failed on {path}\")] struct A;")];
        assert_eq!(places(&ERROR_STYLE, &files), [""; 0]);
    }

    #[test]
    fn marks_are_found_in_comments_and_scripts_as_words_only() {
        let mark = MARKS[0];
        let script = format!("# {mark}: later\n# a{mark}b\n");
        assert_eq!(
            places(&NO_STUBS, &[("scripts/a.sh", &script)]),
            ["scripts/a.sh:1"]
        );
    }

    #[test]
    fn a_stub_named_in_a_string_is_only_a_word() {
        let files = [("a/src/a.rs", "fn f() { \"todo!()\"; }")];
        assert_eq!(places(&NO_STUBS, &files), [""; 0]);
    }
}
