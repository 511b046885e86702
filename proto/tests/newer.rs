//! What a newer release says is read by an older one.

use h8lio_model::condition::{Condition, Kind};
use h8lio_proto::v1;
use prost_types::Timestamp;

#[test]
fn a_condition_of_a_newer_coordinator_is_read_as_it_is() {
    let wire = v1::Condition {
        r#type: "FanStuck".to_owned(),
        since: Some(Timestamp::default()),
        observed_at: Some(Timestamp::default()),
        ..v1::Condition::default()
    };
    let read = Condition::<Kind>::try_from(wire.clone()).expect("an older h8lctl reads it");
    assert_eq!(Some(read.kind), Kind::read("FanStuck"));
    let nameless = v1::Condition {
        r#type: "no name\n".to_owned(),
        ..wire
    };
    assert!(Condition::<Kind>::try_from(nameless).is_err());
}
