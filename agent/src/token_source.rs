//! Where the join token comes from.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use h8lio_tls::token::JoinToken;
use zeroize::Zeroizing;

/// Longest text read, bytes; a token has some hundred.
const MAX: u64 = 16 << 10;

/// Name of the credential that the unit loads.
const CREDENTIAL: &str = "h8lio.join-token";

/// systemd's credential, when it handed one over.
pub(crate) fn credential() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?).join(CREDENTIAL);
    path.exists().then_some(path)
}

/// The token from `file`, else the credential, else standard input.
///
/// # Errors
/// When there is none, or it is no token.
pub(crate) fn read(file: Option<&Path>) -> anyhow::Result<JoinToken> {
    let text = match file {
        Some(path) if path == Path::new("-") => from_stdin()?,
        Some(path) => from_file(path)?,
        None => match credential() {
            Some(path) => from_file(&path)?,
            None if std::io::stdin().is_terminal() => anyhow::bail!(
                "no join token: pass --token-file FILE, or the token on standard input"
            ),
            None => from_stdin()?,
        },
    };
    Ok(text.trim().parse()?)
}

fn from_file(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let read = std::fs::File::open(path).and_then(limited);
    read.with_context(|| format!("cannot read the join token in {}", path.display()))
}

fn from_stdin() -> anyhow::Result<Zeroizing<String>> {
    limited(std::io::stdin()).context("cannot read the join token on standard input")
}

fn limited(from: impl Read) -> std::io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    from.take(MAX).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn the_unit_hands_over_what_the_agent_looks_for() {
        let unit = include_str!("../../systemd/h8lio-agent.service");
        let settings = config::parse(Path::new("x"), "").expect("the defaults are good");
        let state = settings.state_dir.strip_prefix("/var/lib").expect("there");
        for line in [
            format!("LoadCredential={CREDENTIAL}"),
            format!("StateDirectory={}", state.display()),
        ] {
            assert!(
                unit.lines().any(|l| l == line),
                "no line {line} in the unit"
            );
        }
    }
}
