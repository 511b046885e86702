//! Configuration files that dpkg left as their owner had them, from the transaction's log.

use super::surviving_lines;
use crate::words::plain;

/// Paths that `--force-confold` kept, in the log's order, each once. A person has to look at them:
/// the package's own version lies beside each as `.dpkg-dist`.
pub fn kept(log: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut asked: Option<String> = None;
    for line in surviving_lines(log) {
        if let Some(rest) = line.strip_prefix("Configuration file '") {
            asked = rest.split_once('\'').map(|(path, _)| plain(path));
        } else if line.contains("==> Keeping old config file as default.") {
            found.extend(asked.take().filter(|path| !found.contains(path)));
        }
    }
    found
}
