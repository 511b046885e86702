//! Splits Rust text into tokens, comments and nothing else: enough to tell code from what only
//! looks like code inside a string or a comment, and always with the line it stands on.

/// What a token is. Keywords are identifiers here; lifetimes and numbers carry their text too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ident,
    /// A string, byte string or character; `text` is what stands between the quotes, unescaped.
    Literal,
    Number,
    Lifetime,
    /// One character, except `::`, which is one token.
    Punct,
}

/// A token and the line it begins on, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub text: String,
    pub line: usize,
}

impl Token {
    pub fn is(&self, text: &str) -> bool {
        self.kind != Kind::Literal && self.text == text
    }
}

/// One line of comment, without its slashes and stars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    pub text: String,
    pub line: usize,
    /// `///` or `//!`.
    pub doc: bool,
}

/// A Rust file taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lexed {
    pub tokens: Vec<Token>,
    pub comments: Vec<Comment>,
}

/// Takes `text` apart. Text that is no Rust gives some tokens and never an error: the compiler
/// is the judge of that.
pub fn lex(text: &str) -> Lexed {
    let mut lexer = Lexer {
        chars: text.chars().collect(),
        at: 0,
        line: 1,
        out: Lexed::default(),
    };
    while lexer.at < lexer.chars.len() {
        lexer.step();
    }
    lexer.out
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    out: Lexed,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek(0)?;
        self.at += 1;
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn push(&mut self, kind: Kind, text: String, line: usize) {
        self.out.tokens.push(Token { kind, text, line });
    }

    fn step(&mut self) {
        let line = self.line;
        match (self.peek(0), self.peek(1)) {
            (Some('/'), Some('/')) => self.line_comment(),
            (Some('/'), Some('*')) => self.block_comment(),
            (Some('"'), _) => self.string(line),
            (Some('\''), _) => self.quote(line),
            (Some(c), _) if c.is_alphabetic() || c == '_' => self.word(line),
            (Some(c), _) if c.is_ascii_digit() => {
                let text = self.take_while(|c| c.is_alphanumeric() || c == '_');
                self.push(Kind::Number, text, line);
            }
            (Some(':'), Some(':')) => {
                self.at += 2;
                self.push(Kind::Punct, "::".into(), line);
            }
            (Some(c), _) => {
                self.bump();
                if !c.is_whitespace() {
                    self.push(Kind::Punct, c.into(), line);
                }
            }
            (None, _) => {}
        }
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> String {
        let mut text = String::new();
        while let Some(c) = self.peek(0).filter(|&c| keep(c)) {
            self.bump();
            text.push(c);
        }
        text
    }

    fn line_comment(&mut self) {
        let line = self.line;
        let text = self.take_while(|c| c != '\n');
        let doc = (text.starts_with("///") && !text.starts_with("////")) || text.starts_with("//!");
        let text = text
            .trim_start_matches('/')
            .trim_start_matches('!')
            .trim()
            .to_owned();
        self.out.comments.push(Comment { text, line, doc });
    }

    fn block_comment(&mut self) {
        let (mut depth, mut text, mut line) = (0_usize, String::new(), self.line);
        while let Some(c) = self.peek(0) {
            match (c, self.peek(1)) {
                ('/', Some('*')) => {
                    depth += 1;
                    self.at += 2;
                }
                ('*', Some('/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        break;
                    }
                }
                ('\n', _) => {
                    self.bump();
                    self.out.comments.push(Comment {
                        text: text.trim().into(),
                        line,
                        doc: false,
                    });
                    (text, line) = (String::new(), self.line);
                }
                _ => {
                    self.bump();
                    text.push(c);
                }
            }
        }
        self.out.comments.push(Comment {
            text: text.trim().into(),
            line,
            doc: false,
        });
    }

    /// A string with escapes; `at` is on the opening quote.
    fn string(&mut self, line: usize) {
        self.bump();
        let mut text = String::new();
        while let Some(c) = self.bump() {
            match c {
                '"' => break,
                '\\' => {
                    text.push(c);
                    text.extend(self.bump());
                }
                _ => text.push(c),
            }
        }
        self.push(Kind::Literal, text, line);
    }

    /// `r"…"`, `r#"…"#`; `at` is on the first `#` or the quote.
    fn raw_string(&mut self, line: usize) {
        let hashes = self.take_while(|c| c == '#').len();
        self.bump();
        let (mut text, end) = (String::new(), format!("\"{}", "#".repeat(hashes)));
        while let Some(c) = self.bump() {
            text.push(c);
            if text.ends_with(&end) {
                text.truncate(text.len() - end.len());
                break;
            }
        }
        self.push(Kind::Literal, text, line);
    }

    /// A character or a lifetime: `'a'` is the first, `'a` the second.
    fn quote(&mut self, line: usize) {
        let lifetime = self.peek(1).is_some_and(|c| c.is_alphabetic() || c == '_')
            && self.peek(2) != Some('\'');
        self.bump();
        if lifetime {
            let text = self.take_while(|c| c.is_alphanumeric() || c == '_');
            return self.push(Kind::Lifetime, text, line);
        }
        let mut text = String::new();
        while let Some(c) = self.bump() {
            match c {
                '\'' => break,
                '\\' => {
                    text.push(c);
                    text.extend(self.bump());
                }
                _ => text.push(c),
            }
        }
        self.push(Kind::Literal, text, line);
    }

    fn word(&mut self, line: usize) {
        let text = self.take_while(|c| c.is_alphanumeric() || c == '_');
        let raw = matches!(text.as_str(), "r" | "br" | "cr");
        let plain = matches!(text.as_str(), "b" | "c");
        match self.peek(0) {
            Some('"') if raw => self.raw_string(line),
            Some('#') if raw && matches!(self.peek(1), Some('#' | '"')) => self.raw_string(line),
            Some('"') if plain => self.string(line),
            Some('\'') if text == "b" => self.quote(line),
            _ => self.push(Kind::Ident, text, line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        lex(text).tokens.into_iter().map(|t| t.text).collect()
    }

    #[test]
    fn code_inside_strings_and_comments_is_not_code() {
        let text = "let a = \"todo!() \\\" // no\"; // todo!()\n/* a /* b */ c */ x";
        assert_eq!(
            words(text),
            ["let", "a", "=", "todo!() \\\" // no", ";", "x"]
        );
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        assert_eq!(
            words(r####"r#"a"b"# c br"\" d"####),
            ["a\"b", "c", "\\", "d"]
        );
    }

    #[test]
    fn characters_and_lifetimes_are_told_apart() {
        assert_eq!(
            words("&'a str '\\'' 'x' '\"' y"),
            ["&", "a", "str", "\\'", "x", "\"", "y"]
        );
    }

    #[test]
    fn every_token_and_comment_knows_its_line() {
        let lexed = lex("/// one\nfn a() {\n\"x\ny\";\n} // five\n");
        let lines: Vec<_> = lexed.tokens.iter().map(|t| t.line).collect();
        assert_eq!(lines, [2, 2, 2, 2, 2, 3, 4, 5]);
        let comments: Vec<_> = lexed.comments.iter().map(|c| (c.line, c.doc)).collect();
        assert_eq!(comments, [(1, true), (5, false)]);
    }
}
