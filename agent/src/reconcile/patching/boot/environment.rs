//! GRUB's environment block (`grubenv`), and what its tools say about writing it.

use std::collections::BTreeMap;

/// Size of the file; GRUB takes no other.
const SIZE: usize = 1024;

const SIGNATURE: &str = "# GRUB Environment Block";

/// What the environment says about booting. An entry that is empty counts as unset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// What boots; unset: the first entry, which is the newest kernel.
    pub saved: Option<String>,
    /// What boots next, once.
    pub next: Option<String>,
}

/// Why a block is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("GRUB's environment is not understood: {0}")]
pub struct NoEnvironment(&'static str);

/// Reads the file.
///
/// # Errors
/// [`NoEnvironment`]: GRUB would not read it either.
pub fn block(bytes: &[u8]) -> Result<Environment, NoEnvironment> {
    if bytes.len() != SIZE {
        return Err(NoEnvironment("it is not 1024 bytes long"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| NoEnvironment("it is not text"))?;
    if !text.starts_with(SIGNATURE) {
        return Err(NoEnvironment("its signature is missing"));
    }
    Ok(list(text))
}

/// Reads `NAME=VALUE` lines, as `grub-editenv list` prints them.
pub fn list(text: &str) -> Environment {
    let pairs: BTreeMap<&str, &str> = text
        .lines()
        .filter(|l| !l.starts_with('#'))
        .filter_map(|l| l.split_once('='))
        .collect();
    let get = |name| {
        pairs
            .get(name)
            .filter(|v| !v.is_empty())
            .map(|v| (*v).to_owned())
    };
    Environment {
        saved: get("saved_entry"),
        next: get("next_entry"),
    }
}

/// Whether what `grub-reboot` or `grub-set-default` printed says that GRUB cannot take the one-shot
/// back. It then stays the default, and a server whose new kernel panics boots it for ever.
pub fn cannot_be_cleared(printed: &str) -> bool {
    let text = printed.to_lowercase();
    let told = text.contains("environment block") && text.contains("diskfilter");
    told || text.contains("will remain the default boot entry until manually cleared")
}
