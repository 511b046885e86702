//! Who a join token lets in, and until when.

use h8lio_model::token::{Claims, Expectation, Match, Token, TokenRefusal};
use jiff::Timestamp;

const END: i64 = 1_000;

fn token(max_uses: u32) -> Token {
    Token {
        id: "t1".parse().expect("valid"),
        created_at: Timestamp::UNIX_EPOCH,
        created_by: "operator/ada".into(),
        expires_at: at(END),
        max_uses,
        used_by: vec![],
        roles: vec![],
        topology: None,
        node_name: None,
        expect: Expectation::default(),
        auto_approve: false,
        revoked_at: None,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

#[test]
fn a_token_holds_until_its_last_moment_and_not_at_its_end() {
    let t = token(1);
    assert_eq!(t.check(0, at(END - 1)), Ok(()));
    let expired = Err(TokenRefusal::Expired(t.id.clone(), at(END)));
    assert_eq!(t.check(0, at(END)), expired);
    assert_eq!(t.check(0, at(END + 1)), expired);
}

#[test]
fn a_token_is_used_up_after_exactly_its_uses() {
    assert_eq!(token(2).check(1, at(0)), Ok(()));
    for used in [2, 3] {
        let t = token(2);
        let id = t.id.clone();
        let used_up = TokenRefusal::UsedUp { id, uses: 2 };
        assert_eq!(t.check(used, at(0)), Err(used_up));
    }
}

#[test]
fn a_revoked_token_says_so_whatever_else_is_wrong_with_it() {
    let mut t = token(1);
    t.revoked_at = Some(at(5));
    let revoked = Err(TokenRefusal::Revoked(t.id.clone()));
    assert_eq!(t.check(1, at(END)), revoked);
    assert_eq!(t.check(0, at(0)), revoked);
}

fn server() -> Claims {
    Claims {
        hostname: "s1".into(),
        serial: Some("ABC123".into()),
        system_uuid: None,
        macs: vec!["52:54:00:00:00:01".into(), "52:54:00:00:00:aB".into()],
    }
}

fn expect(serial: &str, hostname: &str, mac: &str) -> Expectation {
    let set = |s: &str| (!s.is_empty()).then(|| s.to_owned());
    Expectation {
        serial: set(serial),
        mac: set(mac),
        hostname: set(hostname),
    }
}

#[test]
fn a_token_that_expects_nothing_leaves_the_decision_to_a_person() {
    assert_eq!(
        expect("", "", "").compare(&server()),
        Match::NothingExpected
    );
}

#[test]
fn all_that_is_expected_must_be_there_whatever_its_case() {
    for (serial, hostname, mac) in [
        ("abc123", "", ""),
        ("", "S1", ""),
        ("", "", "52:54:00:00:00:AB"),
        ("ABC123", "s1", "52:54:00:00:00:01"),
    ] {
        let e = expect(serial, hostname, mac);
        assert_eq!(e.compare(&server()), Match::Matches, "{e:?}");
    }
}

#[test]
fn the_first_thing_that_differs_is_named_with_both_values() {
    let both = "52:54:00:00:00:01, 52:54:00:00:00:aB";
    for (e, what, expected, found) in [
        (expect("XYZ", "s1", ""), "serial", "XYZ", "ABC123"),
        (expect("ABC123", "s2", ""), "hostname", "s2", "s1"),
        (expect("ABC123", "s1", "52:54"), "MAC", "52:54", both),
    ] {
        let (expected, found) = (expected.to_owned(), found.to_owned());
        let differs = Match::Differs {
            what,
            expected,
            found,
        };
        assert_eq!(e.compare(&server()), differs);
    }
}

#[test]
fn a_server_without_serial_or_interfaces_matches_no_expectation_of_one() {
    let bare = Claims {
        hostname: "s1".into(),
        ..Claims::default()
    };
    for e in [expect("ABC123", "", ""), expect("", "", "52:54")] {
        assert!(
            matches!(e.compare(&bare), Match::Differs { found, .. } if found.is_empty()),
            "{e:?}"
        );
    }
}
