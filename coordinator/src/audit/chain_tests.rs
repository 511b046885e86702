//! What shares a transaction, to the operation and the byte.

use super::*;

fn pending(effect: Vec<Op>, compares: Vec<Compare>) -> Pending {
    let draft = AuditDraft {
        at: jiff::Timestamp::UNIX_EPOCH,
        actor: "a".to_string(),
        action: "b".repeat(2),
        target: "c".repeat(4),
        reason: "d".repeat(8),
        ticket: None,
        request_id: "e".repeat(16),
        request: "f".repeat(32),
    };
    Pending::new(draft, Outcome::Accepted, effect, compares)
}

/// `n` operations on keys that nobody else uses.
fn puts(name: &str, n: usize) -> Vec<Op> {
    (0..n)
        .map(|i| Op::put(format!("/{name}/{i}"), ""))
        .collect()
}

fn alone() -> Pending {
    pending(vec![], vec![])
}

#[test]
fn the_size_counts_every_part_of_an_entry_its_effect_and_its_comparisons() {
    assert_eq!(size(&alone()), 63 + 512 + 64);
    let effect = |op| size(&pending(vec![op], vec![])) - size(&alone()) - 64;
    assert_eq!(effect(Op::put("/key", "value")), 9);
    assert_eq!(effect(Op::get("/key")), 4);
    assert_eq!(effect(Op::delete("/key")), 4);
    assert_eq!(effect(Op::delete_range(KeyRange::prefix("/key"))), 8);
    assert_eq!(
        size(&pending(puts("a", 3), vec![])) - size(&alone()),
        3 * (64 + 4)
    );
    let compare = |c| size(&pending(vec![], vec![c])) - size(&alone()) - 64;
    assert_eq!(compare(Compare::absent("/key")), 4);
    let value = Target::Value("value".into());
    assert_eq!(compare(Compare::new("/key", CompareOp::Equal, value)), 9);
}

#[test]
fn a_transaction_is_filled_to_its_last_operation() {
    // Each entry takes its effect and itself, and the head takes one: 1 + (60 + 1) + (65 + 1).
    let fits = [
        pending(puts("a", 60), vec![]),
        pending(puts("b", 65), vec![]),
    ];
    assert_eq!(fitting(&fits), 2);
    let too_many = [
        pending(puts("a", 60), vec![]),
        pending(puts("b", 66), vec![]),
    ];
    assert_eq!(fitting(&too_many), 1);
    assert_eq!(fitting(&[pending(puts("a", 500), vec![])]), 1, "never none");
}

#[test]
fn a_transaction_is_filled_to_its_last_comparison() {
    let compares = |name: &str, n: usize| {
        let all = (0..n).map(|i| Compare::absent(format!("/{name}/{i}")));
        pending(vec![], all.collect())
    };
    // Two are the chain's own.
    assert_eq!(fitting(&[compares("a", 60), compares("b", 66)]), 2);
    assert_eq!(fitting(&[compares("a", 60), compares("b", 67)]), 1);
}

#[test]
fn a_transaction_is_filled_to_half_of_the_stores_bytes() {
    let first = pending(vec![Op::put("/a", vec![0; 300_000])], vec![]);
    let used = 256 + size(&first);
    let empty = size(&pending(vec![Op::put("/b", "")], vec![]));
    let room = MAX_TXN_BYTES / 2 - used - empty;
    let second = |n| pending(vec![Op::put("/b", vec![0; n])], vec![]);
    assert_eq!(fitting(&[first, second(room)]), 2);
    let first = pending(vec![Op::put("/a", vec![0; 300_000])], vec![]);
    assert_eq!(fitting(&[first, second(room + 1)]), 1);
}

#[test]
fn what_one_call_writes_and_a_later_one_needs_is_not_put_together() {
    let put = |key: &str| pending(vec![Op::put(key, "")], vec![]);
    let needs = |key: &str| pending(vec![], vec![Compare::exists(key)]);
    let sweep = |prefix: &str| pending(vec![Op::delete_range(KeyRange::prefix(prefix))], vec![]);
    let gets = |key: &str| pending(vec![Op::get(key)], vec![]);
    for (a, b, together) in [
        (put("/a"), put("/b"), true),
        (put("/a"), put("/a"), false),
        (put("/a"), pending(vec![Op::delete("/a")], vec![]), false),
        (put("/a"), needs("/a"), false),
        (put("/a"), needs("/b"), true),
        (needs("/a"), put("/a"), true),
        (sweep("/a/"), put("/a/1"), false),
        (sweep("/a/"), put("/b/1"), true),
        (sweep("/a/"), needs("/a/1"), false),
        (gets("/a"), put("/a"), true),
    ] {
        assert_eq!(b.depends_on(&a), !together, "{a:?} then {b:?}");
        assert_eq!(fitting(&[a, b]), if together { 2 } else { 1 });
    }
    assert_eq!(fitting(&[put("/a"), put("/b"), put("/a"), put("/c")]), 2);
}

#[test]
fn an_effect_touches_the_log_when_any_of_its_keys_lies_there() {
    for (op, found) in [
        (Op::put("/h8lio/audit/head", ""), Some("/h8lio/audit/head")),
        (Op::delete("/h8lio/audit/x"), Some("/h8lio/audit/x")),
        (
            Op::delete_range(KeyRange::prefix("/h8lio/")),
            Some("/h8lio/"),
        ),
        (Op::get("/h8lio/audit/head"), None),
        (Op::put("/h8lio/auditor", ""), None),
    ] {
        let effect = [Op::put("/a", ""), op];
        assert_eq!(touches_log(&effect).as_deref(), found, "{effect:?}");
    }
}
