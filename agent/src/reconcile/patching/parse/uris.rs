//! What `apt-get --print-uris` would fetch.

use super::{NotUnderstood, whole};

/// One archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// Name of the file in apt's cache.
    pub file: String,
    /// Bytes.
    pub size: u64,
}

/// Archives that are not in apt's cache yet.
///
/// # Errors
/// [`NotUnderstood`] for a line that begins as an address and does not go on as one.
pub fn archives(bytes: &[u8]) -> Result<Vec<Archive>, NotUnderstood> {
    whole(bytes)?
        .lines()
        .filter(|l| l.starts_with('\''))
        .map(|l| archive(l).ok_or_else(|| NotUnderstood::line(l)))
        .collect()
}

/// Bytes that the packages will take more than now, as `apt-get` says them rounded; 0 where they take
/// less. `None`: it does not say.
pub fn unpacked(bytes: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(bytes);
    let said = |l: &str| {
        let (size, of) = l.strip_prefix("After this operation, ")?.split_once("B ")?;
        let (number, unit) = size.split_once(' ')?;
        let unit = match unit {
            "" => 1.0,
            "k" => 1e3,
            "M" => 1e6,
            "G" => 1e9,
            _ => return None,
        };
        let number: f64 = number.replace(',', "").parse().ok()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "sizes of packages are positive and far below 2^53"
        )]
        let bytes = (number * unit) as u64;
        match of {
            "of additional disk space will be used." => Some(bytes),
            "disk space will be freed." => Some(0),
            _ => None,
        }
    };
    text.lines().find_map(said)
}

/// `'URI' FILE SIZE HASH`
fn archive(line: &str) -> Option<Archive> {
    let (_, rest) = line.strip_prefix('\'')?.split_once("' ")?;
    let mut fields = rest.split(' ');
    let (file, size) = (fields.next()?, fields.next()?);
    let plain = !file.is_empty() && !file.contains('/') && !file.starts_with('.');
    Some(Archive {
        file: plain.then(|| file.to_owned())?,
        size: size.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "After this operation, 284 kB of additional disk space will be used.",
        Some(284_000)
    )]
    #[case(
        "After this operation, 53.1 MB of additional disk space will be used.",
        Some(53_100_000)
    )]
    #[case(
        "After this operation, 0 B of additional disk space will be used.",
        Some(0)
    )]
    #[case("After this operation, 1,024 kB disk space will be freed.", Some(0))]
    #[case("After this operation, much disk space will be used.", None)]
    #[case("Need to get 53.1 kB of archives.", None)]
    fn the_room_that_packages_take_is_read_from_apts_own_words(
        #[case] line: &str,
        #[case] bytes: Option<u64>,
    ) {
        let text = format!("0 upgraded, 1 newly installed\n{line}\n'http://a/b' b 1 SHA256:0\n");
        assert_eq!(unpacked(text.as_bytes()), bytes);
    }
}
