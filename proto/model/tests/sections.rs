//! Sections: their numbers on the wire, their words, their digests.

use std::collections::{BTreeMap, HashSet};

use h8lio_model::section::{Digest, Section, SectionKind};

#[test]
fn the_wire_numbers_and_the_words_of_the_sections_never_change() {
    let words = [
        "hardware",
        "os",
        "packages",
        "disks",
        "osds",
        "network",
        "runtime",
        "managers",
        "conditions",
        "vitals",
        "orders",
    ];
    for (n, word) in (1..).zip(words) {
        let kind = SectionKind::from_wire(n).expect("a kind");
        assert_eq!(kind.as_str(), word);
        assert_eq!(kind.to_string(), word);
        assert_eq!(format!("{kind:>10}").trim_start(), word);
        let json = serde_json::to_string(&kind).expect("JSON");
        assert_eq!(json, format!("\"{word}\""), "JSON says the same word");
    }
    let all: HashSet<_> = SectionKind::ALL.into_iter().collect();
    assert_eq!(all.len(), words.len());
    for n in [i32::MIN, -1, 0, 12, i32::MAX] {
        assert_eq!(SectionKind::from_wire(n), None, "{n}");
    }
}

#[test]
fn only_vitals_and_orders_are_never_written() {
    for kind in SectionKind::ALL {
        assert_eq!(
            kind.is_durable(),
            !matches!(kind, SectionKind::Vitals | SectionKind::Orders),
            "{kind}"
        );
    }
}

/// SHA-256 of "abc", FIPS 180-4.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn a_digest_is_sha_256_and_reads_back_from_json() {
    let d = Digest::of(b"abc");
    assert_eq!(d.to_string(), ABC);
    assert_eq!(format!("{d:?}"), format!("Digest({ABC})"));
    let json = serde_json::to_string(&d).expect("JSON");
    assert_eq!(json, format!("\"{ABC}\""));
    assert_eq!(serde_json::from_str::<Digest>(&json).expect("a digest"), d);
}

#[test]
fn only_32_bytes_are_a_digest() {
    assert_eq!(Digest::from_slice(&[7; 32]), Some(Digest([7; 32])));
    for n in [0, 31, 33] {
        assert_eq!(Digest::from_slice(&vec![7; n]), None, "{n} bytes");
    }
    for text in [
        "",
        "ab",
        &ABC[2..],
        &format!("{ABC}00"),
        &ABC.replace('b', "g"),
    ] {
        let json = format!("\"{text}\"");
        serde_json::from_str::<Digest>(&json).expect_err(text);
    }
}

#[test]
fn a_section_carries_the_json_of_its_facts_and_the_digest_of_exactly_that() {
    let facts = BTreeMap::from([("b", 2), ("a", 1)]);
    let s = Section::encode(SectionKind::Os, &facts).expect("JSON");
    assert_eq!(s.kind, SectionKind::Os);
    assert_eq!(s.body, br#"{"a":1,"b":2}"#);
    assert_eq!(s.digest, Digest::of(&s.body));
    let no_text_keys = BTreeMap::from([((1, 2), 3)]);
    Section::encode(SectionKind::Os, &no_text_keys).expect_err("keys that are no strings");
}
