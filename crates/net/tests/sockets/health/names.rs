//! Names with several addresses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use net::dns::{Addresses, Resolve};
use net::health::{Change, Probe, Prober, State};
use net::{NetError, Peer};

use super::{DOWN, OK, probe};
use crate::stage::Stage;

const ONE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// A resolver that finds these addresses for every name; an error when there is none.
struct Names(Mutex<Vec<IpAddr>>);

impl Names {
    fn new(found: &[IpAddr]) -> Self {
        Self(Mutex::new(found.to_vec()))
    }

    fn set(&self, found: &[IpAddr]) {
        *self.0.lock().unwrap() = found.to_vec();
    }
}

impl Resolve for Names {
    async fn resolve(&self, host: &str, port: u16) -> Result<Addresses, NetError> {
        let found = self.0.lock().unwrap();
        let found: Addresses = found.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        if found.is_empty() {
            return Err(NetError::Resolve {
                host: host.into(),
                source: std::io::ErrorKind::NotFound.into(),
            });
        }
        Ok(found)
    }
}

fn named(port: u16) -> Arc<Prober> {
    let probe = Probe {
        host: Arc::from("models.example"),
        server_name: Some(Arc::from("models.example")),
        ..probe(port)
    };
    Arc::new(Prober::new(probe, None))
}

/// One turn, in which each stage gives its answer.
async fn answered(
    prober: &Arc<Prober>,
    names: &Names,
    parts: &[(&Stage, &'static str)],
) -> Vec<Change> {
    let plays = async {
        for (stage, answer) in parts {
            let mut actor = stage.next().await;
            assert!(actor.hear().await.contains("Host: models.example\r\n"));
            actor.say(answer).await;
        }
    };
    tokio::join!(prober.turn(names), plays).0
}

fn states(prober: &Prober) -> Vec<(IpAddr, State)> {
    let nodes = prober.nodes().into_iter();
    nodes
        .map(|node| (node.address.unwrap().ip(), node.health.state))
        .collect()
}

/// Where a hundred requests go, each address once.
fn chosen(prober: &Prober) -> Vec<IpAddr> {
    let mut chosen: Vec<_> = (0..100)
        .filter_map(|_| Some(prober.peers()?.first()?.ip))
        .collect();
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

#[tokio::test]
async fn requests_go_to_usable_addresses_and_to_any_when_none_is() {
    let [one, other] = Stage::twins().await;
    let (prober, names) = (named(one.port), Names::new(&[OTHER, ONE]));
    assert!(prober.peers().is_none() && prober.is_usable());
    answered(&prober, &names, &[(&one, OK), (&other, DOWN)]).await;
    assert_eq!(chosen(&prober), [ONE, OTHER]);
    let changes = answered(&prober, &names, &[(&one, OK), (&other, DOWN)]).await;
    assert_eq!(
        changes
            .iter()
            .map(|change| change.usable)
            .collect::<Vec<_>>(),
        [false]
    );
    assert_eq!(chosen(&prober), [ONE]);

    for _ in 0..2 {
        answered(&prober, &names, &[(&one, DOWN), (&other, DOWN)]).await;
    }
    assert!(!prober.is_usable());
    assert_eq!(chosen(&prober), [ONE, OTHER]);

    for _ in 0..2 {
        answered(&prober, &names, &[(&one, DOWN), (&other, OK)]).await;
    }
    assert!(prober.is_usable());
    assert_eq!(chosen(&prober), [OTHER]);
}

#[tokio::test]
async fn every_address_of_several_gets_its_share() {
    let (prober, names) = (named(1), Names::new(&[ONE, OTHER]));
    prober.turn(&names).await;
    let firsts = (0..1000).filter_map(|_| prober.peers()?.first());
    let of_one = firsts.filter(|peer| peer.ip == ONE).count();
    assert!((400..600).contains(&of_one), "{of_one} of 1000");
}

#[tokio::test]
async fn another_order_of_the_same_addresses_changes_nothing() {
    let [one, other] = Stage::twins().await;
    let (prober, names) = (named(one.port), Names::new(&[ONE, OTHER]));
    answered(&prober, &names, &[(&one, OK), (&other, DOWN)]).await;
    let play = async {
        let mut actor = other.next().await;
        actor.hear().await;
        // A probe that is under way goes on, whatever is found meanwhile.
        names.set(&[OTHER, ONE]);
        actor.say(DOWN).await;
        let mut actor = one.next().await;
        actor.hear().await;
        actor.say(OK).await;
    };
    let (changes, ()) = tokio::join!(prober.turn(&names), play);
    assert_eq!(changes.len(), 1);
    let known = [(ONE, State::Healthy), (OTHER, State::Unhealthy)];
    assert_eq!(states(&prober), known);
    answered(&prober, &names, &[(&one, OK), (&other, DOWN)]).await;
    assert_eq!(states(&prober), known);
}

#[tokio::test]
async fn addresses_come_and_go_and_the_others_keep_what_is_known_of_them() {
    let [one, other] = Stage::twins().await;
    let (prober, names) = (named(one.port), Names::new(&[OTHER]));
    for _ in 0..2 {
        answered(&prober, &names, &[(&other, DOWN)]).await;
    }
    assert!(!prober.is_usable());
    names.set(&[ONE, OTHER]);
    answered(&prober, &names, &[(&one, OK), (&other, DOWN)]).await;
    let known = [(ONE, State::Healthy), (OTHER, State::Unhealthy)];
    assert_eq!(
        (states(&prober), prober.is_usable()),
        (known.to_vec(), true)
    );
    assert_eq!(chosen(&prober), [ONE]);
    names.set(&[OTHER]);
    answered(&prober, &names, &[(&other, DOWN)]).await;
    assert_eq!(states(&prober), [(OTHER, State::Unhealthy)]);
}

#[tokio::test]
async fn a_name_that_is_not_found_any_more_keeps_its_addresses() {
    let [one, _other] = Stage::twins().await;
    let (prober, names) = (named(one.port), Names::new(&[ONE]));
    answered(&prober, &names, &[(&one, OK)]).await;
    names.set(&[]);
    answered(&prober, &names, &[(&one, OK)]).await;
    assert_eq!(states(&prober), [(ONE, State::Healthy)]);
}

#[tokio::test]
async fn an_address_that_changed_tells_since_when() {
    let [one, _other] = Stage::twins().await;
    let (prober, names) = (named(one.port), Names::new(&[ONE]));
    let peer = || prober.peers().and_then(|peers| peers.first());
    answered(&prober, &names, &[(&one, DOWN)]).await;
    let unchanged = Peer {
        ip: ONE,
        since: None,
    };
    assert_eq!(peer(), Some(unchanged));
    answered(&prober, &names, &[(&one, DOWN)]).await;
    let fallen = peer().unwrap().since.unwrap();
    for _ in 0..2 {
        answered(&prober, &names, &[(&one, OK)]).await;
    }
    assert!(peer().unwrap().since.unwrap() > fallen);

    let successor = Prober::new(prober.probe().clone(), Some(&prober));
    assert_eq!(successor.peers().unwrap().first(), peer());
}

#[tokio::test]
async fn a_name_is_looked_up_before_its_addresses_are_asked() {
    tokio::time::pause();
    let mut patient = probe(1);
    patient.host = Arc::from("models.example");
    patient.rise.interval = Duration::from_hours(1);
    let (prober, names) = (Arc::new(Prober::new(patient, None)), Names::new(&[ONE]));
    assert!(prober.is_due());
    assert_eq!(prober.turn(&names).await, []);
    assert_eq!(states(&prober), [(ONE, State::Healthy)]);
    assert!(!prober.is_due());
    // A name that is asked rarely is still looked up.
    names.set(&[]);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert!(prober.is_due());
    prober.turn(&names).await;
    assert_eq!(states(&prober), [(ONE, State::Healthy)]);
    tokio::time::advance(Duration::from_hours(1)).await;
    tokio::time::resume();
    prober.turn(&names).await;
    assert_eq!(prober.nodes()[0].health.counters.tcp_failure, 1);
}

#[tokio::test]
async fn as_many_addresses_are_asked_at_once_as_configured() {
    let [one, other] = Stage::twins().await;
    let names = Names::new(&[ONE, OTHER]);
    let several = named(one.port);
    let both = async {
        let (mut first, mut second) = (one.next().await, other.next().await);
        first.say(OK).await;
        second.say(OK).await;
    };
    tokio::join!(several.turn(&names), both);

    let single = Probe {
        concurrency: 1,
        ..several.probe().clone()
    };
    let single = Arc::new(Prober::new(single, None));
    let in_turn = async {
        let (mut first, next) = tokio::select! {
            actor = one.next() => (actor, &other),
            actor = other.next() => (actor, &one),
        };
        first.hear().await;
        // Nobody comes, however often everybody else gets a turn.
        for _ in 0..100 {
            tokio::select! {
                biased;
                _ = next.next() => panic!("two at once"),
                () = tokio::task::yield_now() => {}
            }
        }
        first.say(OK).await;
        let mut second = next.next().await;
        second.say(OK).await;
    };
    tokio::join!(single.turn(&names), in_turn);
}
