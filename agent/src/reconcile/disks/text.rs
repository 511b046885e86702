//! Texts from a drive's firmware. They may hold anything.

/// Longest text kept, characters. VPD page 0x80 holds at most 255 bytes.
const LONGEST: usize = 256;

/// `text` fit for a line on a terminal: control characters become U+FFFD, ends are trimmed,
/// overlong text is cut. `None` when nothing is left.
pub(super) fn for_people(text: &str) -> Option<String> {
    let shown: String = text
        .trim()
        .chars()
        .take(LONGEST)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    (!shown.is_empty()).then_some(shown)
}

/// Whether `text`, as shown, is also exactly what the drive said: two texts that differ only in
/// replaced or cut bytes must not become one identity.
pub(super) fn is_faithful(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty()
        && text.chars().count() <= LONGEST
        && !text.chars().any(|c| c.is_control() || c == '\u{fffd}')
}
