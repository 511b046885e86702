use super::*;

const LATER: Duration = Duration::from_secs(60);

/// A table of strangers' places: six in all, three for each address.
fn places() -> Arc<Places> {
    Places::new(Caps {
        strangers: 6,
        strangers_per_source: 3,
    })
}

fn stranger(n: u8) -> Holder {
    Holder::Stranger([10, 0, 0, n].into())
}

fn node() -> Holder {
    Holder::Node(NodeId::new(uuid::Uuid::from_u128(1)))
}

fn operator() -> Holder {
    Holder::Operator("ada".parse().expect("a name"))
}

/// A connection as its task has it.
struct Connection {
    _place: Place,
    lost: oneshot::Receiver<()>,
    calls: Arc<Calls>,
}

impl Connection {
    fn is_cut(&mut self) -> bool {
        self.lost.try_recv().is_ok()
    }
}

fn open(places: &Arc<Places>, holder: &Holder, at: Duration) -> Result<Connection, Reason> {
    let calls = Calls::new(4);
    let (place, lost) = places.take(holder.clone(), &calls, at)?;
    Ok(Connection {
        _place: place,
        lost,
        calls,
    })
}

fn opened(places: &Arc<Places>, holder: &Holder, n: usize) -> Vec<Connection> {
    let open = |_| open(places, holder, Duration::ZERO).expect("room");
    (0..n).map(open).collect()
}

fn cut(connections: &mut [Connection]) -> Vec<usize> {
    let cut = connections.iter_mut().enumerate();
    cut.filter_map(|(n, c)| c.is_cut().then_some(n)).collect()
}

#[test]
fn one_address_has_its_share_and_keeps_no_other_out() {
    let p = places();
    let _three = opened(&p, &stranger(1), 3);
    let refused = open(&p, &stranger(1), Duration::ZERO).err();
    assert_eq!(refused, Some(Reason::AnonymousSourceFull));
    open(&p, &stranger(2), Duration::ZERO).expect("another address");
}

#[test]
fn an_address_that_is_full_gives_up_what_it_does_not_use() {
    let p = places();
    let mut held = opened(&p, &stranger(1), 3);
    let _call = held[0].calls.begin();
    let newer = open(&p, &stranger(1), LATER);
    newer.expect("a place of its own");
    assert_eq!(cut(&mut held), [1], "the oldest without a call");
}

#[test]
fn a_full_table_gives_a_place_of_the_fullest_address_to_one_that_has_none() {
    let p = places();
    let mut many = opened(&p, &stranger(1), 3);
    let mut few = opened(&p, &stranger(2), 2);
    let mut one = opened(&p, &stranger(3), 1);
    let calls: Vec<_> = many.iter().map(|c| c.calls.begin()).collect();
    open(&p, &stranger(4), Duration::ZERO).expect("a place");
    let all = (cut(&mut many), cut(&mut few), cut(&mut one));
    assert_eq!(all, (vec![0], vec![], vec![]));
    drop(calls);
}

#[test]
fn who_has_as_many_as_the_fullest_pushes_nobody_out() {
    let p = places();
    let mut held: Vec<_> = (1..=3).flat_map(|n| opened(&p, &stranger(n), 2)).collect();
    let refused = open(&p, &stranger(1), LATER).err();
    assert_eq!(refused, Some(Reason::AnonymousFull));
    assert_eq!(cut(&mut held), [0; 0]);
}

#[test]
fn the_addresses_of_one_ipv6_network_are_one() {
    let of = |text: &str| Holder::of(&Caller::Anonymous, text.parse().expect("an address"));
    assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
    assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    assert_eq!(of("::ffff:10.0.0.1"), stranger(1));
    assert_ne!(of("10.0.0.2"), stranger(1));
}

#[test]
fn a_node_that_dials_once_too_often_loses_what_it_does_not_use_and_then_its_oldest() {
    let p = places();
    let mut held = opened(&p, &node(), PER_NODE);
    let mut calls: Vec<_> = held.iter().map(|c| c.calls.begin()).collect();
    calls[5] = None;
    let newer = open(&p, &node(), Duration::ZERO).expect("a place");
    assert_eq!(cut(&mut held), [5]);
    let _call = newer.calls.begin();
    let newest = open(&p, &node(), LATER);
    newest.expect("a place");
    assert_eq!(cut(&mut held), [0]);
}

#[test]
fn an_operator_who_uses_all_connections_gets_no_other() {
    let p = places();
    let mut held = opened(&p, &operator(), PER_OPERATOR);
    let calls: Vec<_> = held.iter().map(|c| c.calls.begin()).collect();
    let refused = open(&p, &operator(), LATER).err();
    assert_eq!(refused, Some(Reason::IdentityFull));
    drop(calls);
    open(&p, &operator(), LATER).expect("a place");
    assert_eq!(cut(&mut held), [0]);
}

#[test]
fn who_leaves_leaves_nothing_behind() {
    let p = places();
    for holder in [stranger(1), node(), operator()] {
        drop(opened(&p, &holder, 3));
    }
    let table = p.table();
    assert_eq!((table.held.len(), table.strangers), (0, 0));
}
