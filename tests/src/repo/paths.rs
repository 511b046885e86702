//! The paths that a Rust file names, with `use` trees spread out and `crate`, `self` and `super`
//! resolved, so that a rule about who may import whom cannot be dodged by another spelling.

use super::lexer::{Kind, Token};

/// A path as it stands in the code, made absolute where it began with `crate`, `self` or `super`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub segments: Vec<String>,
    pub line: usize,
}

impl Named {
    /// Whether the path begins with these segments.
    pub fn starts_with(&self, start: &[&str]) -> bool {
        self.segments.len() >= start.len() && start.iter().zip(&self.segments).all(|(a, b)| a == b)
    }

    /// Whether these segments stand anywhere in it, next to one another.
    pub fn contains(&self, part: &[&str]) -> bool {
        self.segments
            .windows(part.len())
            .any(|window| window.iter().eq(part))
    }

    pub fn text(&self) -> String {
        self.segments.join("::")
    }
}

/// The module that a file under `src/` is: `src/a/b.rs` and `src/a/b/mod.rs` are `a::b`, the root
/// files are the empty path. Inline modules are not followed: inside one, `super` is taken as
/// one step too far up, which no rule of ours can be dodged by, since it reaches the root sooner.
pub fn module_of(path_in_src: &str) -> Vec<String> {
    let stem = path_in_src.strip_suffix(".rs").unwrap_or(path_in_src);
    let mut parts: Vec<String> = stem.split('/').map(str::to_owned).collect();
    if matches!(
        parts.last().map(String::as_str),
        Some("mod" | "lib" | "main")
    ) {
        parts.pop();
    }
    parts
}

/// Every path of two or more segments, and every `use` of one.
pub fn named_paths(tokens: &[Token], module: &[String]) -> Vec<Named> {
    let mut reader = Reader {
        tokens,
        at: 0,
        found: Vec::new(),
    };
    while reader.at < tokens.len() {
        reader.step();
    }
    let mut found = reader.found;
    for path in &mut found {
        path.segments = absolute(std::mem::take(&mut path.segments), module);
    }
    found
}

/// `crate`, `self` and a row of `super` become the segments that they stand for, after `crate`.
fn absolute(segments: Vec<String>, module: &[String]) -> Vec<String> {
    let mut base: Vec<String> = module.to_vec();
    let mut rest = segments.as_slice();
    match rest.first().map(String::as_str) {
        Some("self") => rest = &rest[1..],
        Some("super") => {}
        _ => return segments,
    }
    while rest.first().is_some_and(|s| s == "super") {
        base.pop();
        rest = &rest[1..];
    }
    std::iter::once("crate".to_owned())
        .chain(base)
        .chain(rest.iter().cloned())
        .collect()
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    found: Vec<Named>,
}

impl Reader<'_> {
    fn is(&self, text: &str) -> bool {
        self.tokens.get(self.at).is_some_and(|t| t.is(text))
    }

    fn step(&mut self) {
        if self.is("use") {
            self.at += 1;
            self.tree(&[]);
        } else if self.tokens[self.at].kind == Kind::Ident || self.is("::") {
            self.path();
        } else {
            self.at += 1;
        }
    }

    /// One branch of a `use` tree below `prefix`; stops at `,`, `}` or `;`.
    fn tree(&mut self, prefix: &[String]) {
        let line = self.tokens.get(self.at).map_or(0, |t| t.line);
        let mut segments = prefix.to_vec();
        while let Some(token) = self.tokens.get(self.at) {
            match token.text.as_str() {
                "::" => self.at += 1,
                "{" => return self.group(&segments),
                "," | "}" | ";" => break,
                // `as name` renames; what is named has been read.
                "as" => self.at += 2,
                _ => {
                    segments.push(token.text.clone());
                    self.at += 1;
                }
            }
        }
        self.found.push(Named { segments, line });
    }

    fn group(&mut self, prefix: &[String]) {
        self.at += 1;
        while self.at < self.tokens.len() {
            match self.tokens[self.at].text.as_str() {
                "}" => {
                    self.at += 1;
                    return;
                }
                "," => self.at += 1,
                // An unclosed group is no Rust; go on where a statement ends.
                ";" => return,
                _ => self.tree(prefix),
            }
        }
    }

    /// A path in an expression or a type.
    fn path(&mut self) {
        let line = self.tokens[self.at].line;
        let mut segments = Vec::new();
        if self.is("::") {
            self.at += 1;
        }
        while let Some(token) = self.tokens.get(self.at).filter(|t| t.kind == Kind::Ident) {
            segments.push(token.text.clone());
            self.at += 1;
            if !self.is("::") {
                break;
            }
            self.at += 1;
        }
        if segments.len() > 1 {
            self.found.push(Named { segments, line });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::lexer::lex;

    fn paths(file: &str, text: &str) -> Vec<String> {
        named_paths(&lex(text).tokens, &module_of(file))
            .iter()
            .map(Named::text)
            .collect()
    }

    #[test]
    fn use_trees_are_spread_out() {
        assert_eq!(
            paths(
                "a.rs",
                "use crate::{linux::{exec, ioctl as io}, host};\nuse std::fmt;"
            ),
            [
                "crate::linux::exec",
                "crate::linux::ioctl",
                "crate::host",
                "std::fmt"
            ]
        );
    }

    #[test]
    fn relative_paths_are_made_absolute() {
        assert_eq!(
            paths(
                "reconcile/disks/mod.rs",
                "super::super::linux::exec(); self::want::x();"
            ),
            ["crate::linux::exec", "crate::reconcile::disks::want::x"]
        );
    }

    #[test]
    fn paths_in_types_and_expressions_are_found() {
        assert_eq!(
            paths(
                "a.rs",
                "fn f(x: Vec<h8lio_proto::v1::Beat>) { ::std::process::Command::new(x) }"
            ),
            ["h8lio_proto::v1::Beat", "std::process::Command::new"]
        );
    }

    #[test]
    fn an_unclosed_group_does_not_hang() {
        assert_eq!(paths("a.rs", "use a::{b; c::d"), ["a::b", "c::d"]);
    }
}
