use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Version, header};
use plugin::{ClientRequest, Consumers, Ctx, RequestBody, RouteFacts};

use super::{Found, Router, Wanted};
use crate::route::condition::{Conditions, Methods};
use crate::settings::{RouterKind, Routing};

fn wanted(id: &str, uris: &[&str], hosts: &[&str]) -> Wanted {
    Wanted {
        route: 0,
        uris: uris.iter().map(|uri| (*uri).to_owned()).collect(),
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        priority: 0,
        facts: RouteFacts {
            id: id.into(),
            ..RouteFacts::default()
        },
        conditions: Arc::default(),
    }
}

fn ctx(method: Method, host: &str, target: &str) -> Ctx {
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_str(host).expect("a host"));
    let address: SocketAddr = "192.0.2.7:5000".parse().expect("an address");
    let request = ClientRequest {
        id: "id".into(),
        method,
        uri: target.parse().expect("a target"),
        path: crate::target::path(target, false).expect("a path"),
        version: Version::HTTP_11,
        headers,
        scheme: "http",
        host: crate::target::host(host.as_bytes()).expect("a host"),
        peer: address,
        local: address,
        received: Instant::now(),
        received_at: SystemTime::now(),
        server_name: None,
    };
    Ctx::new(
        request,
        RequestBody::full(Bytes::new()),
        Arc::new(Consumers::default()),
    )
}

fn router(kind: RouterKind, routes: Vec<Wanted>) -> Router {
    let routing = Routing {
        kind,
        ..Routing::default()
    };
    Router::new(routing, routes)
}

/// The id of the route found for a request.
fn found(router: &Router, host: &str, target: &str) -> Option<String> {
    found_by(router, Method::GET, host, target)
}

fn found_by(router: &Router, method: Method, host: &str, target: &str) -> Option<String> {
    match router.find(&mut ctx(method, host, target), false) {
        Found::Route(_, facts) => Some(facts.id.to_string()),
        Found::Nothing | Found::NeedsBody => None,
    }
}

#[test]
fn exact_paths_beat_prefixes_of_any_priority() {
    let routes = vec![
        Wanted {
            priority: 100,
            ..wanted("prefix", &["/v1/*"], &[])
        },
        wanted("exact", &["/v1/chat"], &[]),
    ];
    let finder = router(RouterKind::HostUri, routes);
    assert_eq!(found(&finder, "h", "/v1/chat").as_deref(), Some("exact"));
    assert_eq!(found(&finder, "h", "/v1/chat/x").as_deref(), Some("prefix"));
    assert_eq!(found(&finder, "h", "/v2"), None);
}

#[test]
fn longer_prefixes_beat_shorter_ones_of_any_priority() {
    let routes = vec![
        Wanted {
            priority: 9,
            ..wanted("short", &["/v1/*"], &[])
        },
        wanted("long", &["/v1/chat*"], &[]),
        wanted("all", &["/*"], &[]),
    ];
    let finder = router(RouterKind::HostUri, routes);
    assert_eq!(found(&finder, "h", "/v1/chat/x").as_deref(), Some("long"));
    assert_eq!(found(&finder, "h", "/v1/chat").as_deref(), Some("long"));
    assert_eq!(found(&finder, "h", "/v1/models").as_deref(), Some("short"));
    assert_eq!(found(&finder, "h", "/").as_deref(), Some("all"));
}

#[test]
fn equal_paths_go_by_priority_then_length_then_creation() {
    let routes = vec![
        wanted("first", &["/a/*"], &[]),
        wanted("second", &["/a/*"], &[]),
        wanted("named", &["/a/*rest"], &[]),
    ];
    let plain = router(RouterKind::HostUri, routes);
    assert_eq!(found(&plain, "h", "/a/x").as_deref(), Some("named"));

    let routes = vec![
        wanted("first", &["/a/*"], &[]),
        wanted("second", &["/a/*"], &[]),
        Wanted {
            priority: -1,
            ..wanted("late", &["/a/*rest"], &[])
        },
    ];
    let ranked = router(RouterKind::HostUri, routes);
    assert_eq!(found(&ranked, "h", "/a/x").as_deref(), Some("first"));
}

#[test]
fn a_failing_condition_moves_on_to_the_next_candidate() {
    let only_post = Arc::new(Conditions {
        methods: Some(Methods::new(&[config::resource::Method::Post])),
        ..Conditions::default()
    });
    let from_elsewhere = Arc::new(Conditions {
        addresses: Some(Box::new(["198.51.100.0/24".parse().expect("a network")])),
        ..Conditions::default()
    });
    let routes = vec![
        Wanted {
            priority: 5,
            conditions: from_elsewhere,
            ..wanted("elsewhere", &["/v1/chat"], &[])
        },
        Wanted {
            conditions: only_post,
            ..wanted("post", &["/v1/chat"], &[])
        },
        wanted("prefix", &["/v1/*"], &[]),
    ];
    let finder = router(RouterKind::HostUri, routes);
    let by = |method| found_by(&finder, method, "h", "/v1/chat");
    assert_eq!(by(Method::POST).as_deref(), Some("post"));
    assert_eq!(by(Method::GET).as_deref(), Some("prefix"));
}

#[test]
fn hosts_go_from_exact_to_long_ends_to_none() {
    let routes = vec![
        wanted("none", &["/*"], &[]),
        wanted("any", &["/x"], &["*"]),
        wanted("short", &["/x"], &["*.com"]),
        wanted("long", &["/x"], &["*.a.com"]),
        wanted("exact", &["/x"], &["b.a.com"]),
    ];
    let finder = router(RouterKind::HostUri, routes);
    let table = [
        ("b.a.com", "/x", "exact"),
        ("B.A.com:8080", "/x", "exact"),
        ("c.a.com", "/x", "long"),
        ("d.c.a.com", "/x", "long"),
        ("z.com", "/x", "short"),
        ("z.org", "/x", "any"),
        ("b.a.com", "/y", "none"),
    ];
    for (host, path, expected) in table {
        assert_eq!(
            found(&finder, host, path).as_deref(),
            Some(expected),
            "{host}{path}"
        );
    }
}

#[test]
fn a_host_with_a_port_matches_in_the_path_routers_only() {
    let routes = || vec![wanted("ported", &["/x"], &["a.com:81"])];
    let hosts_first = router(RouterKind::HostUri, routes());
    assert_eq!(found(&hosts_first, "a.com:81", "/x"), None);
    let paths_first = router(RouterKind::Uri, routes());
    assert_eq!(
        found(&paths_first, "a.com:81", "/x").as_deref(),
        Some("ported")
    );
    assert_eq!(found(&paths_first, "a.com", "/x"), None);
}

#[test]
fn the_path_routers_treat_hosts_as_a_condition() {
    let routes = vec![
        wanted("host", &["/v1/*"], &["a.com"]),
        wanted("exact", &["/v1/chat"], &[]),
    ];
    let paths_first = router(RouterKind::Uri, routes);
    assert_eq!(
        found(&paths_first, "a.com", "/v1/chat").as_deref(),
        Some("exact")
    );
    assert_eq!(
        found(&paths_first, "a.com", "/v1/x").as_deref(),
        Some("host")
    );
    assert_eq!(found(&paths_first, "b.com", "/v1/x"), None);
}

#[test]
fn parameters_are_captured_in_their_router_only() {
    let routes = || vec![wanted("user", &["/user/:id/posts/*rest"], &[])];
    let literal = router(RouterKind::Uri, routes());
    assert_eq!(found(&literal, "h", "/user/7/posts/a"), None);
    let active = router(RouterKind::UriWithParameter, routes());
    let mut ctx = ctx(Method::GET, "h", "/user/7/posts/a/b");
    assert!(matches!(active.find(&mut ctx, false), Found::Route(..)));
    let captures: Vec<_> = ctx
        .params
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    assert_eq!(captures, [("id", "7"), ("rest", "a/b")]);
}

#[test]
fn what_matched_is_told() {
    for kind in [RouterKind::HostUri, RouterKind::Uri] {
        let routes = vec![wanted("r", &["/a", "/b/*"], &["*.x.com", "y.com"])];
        let finder = router(kind, routes);
        let mut ctx = ctx(Method::GET, "w.x.com", "/b/c");
        let Found::Route(_, facts) = finder.find(&mut ctx, false) else {
            panic!("no route");
        };
        assert_eq!(
            (&*facts.matched_uri, &*facts.matched_host),
            ("/b/*", "*.x.com")
        );
    }
}

#[test]
fn matching_may_ignore_a_tail_slash_and_keep_encoded_slashes() {
    let routing = Routing {
        ignores_tail_slash: true,
        keeps_encoded_slash: true,
        ..Routing::default()
    };
    let routes = [
        wanted("tail", &["/a/b"], &[]),
        wanted("coded", &["/f/x%2Fy"], &[]),
    ];
    let finder = Router::new(routing, routes);
    assert_eq!(found(&finder, "h", "/a/b/").as_deref(), Some("tail"));
    assert_eq!(found(&finder, "h", "/f/x%2Fy").as_deref(), Some("coded"));
    assert_eq!(found(&finder, "h", "/f/x/y"), None);
}
