//! Changing the configuration under load, and what becomes of faulty items.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use config::Document;
use gateway::Outcome;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::{Answered, House, Workshop, document};

fn answering(text: &str) -> Value {
    json!({ "routes": [{ "id": "1", "uri": "/x", "plugins": { "answer": { "text": text } } }] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_changes_fail_no_request() {
    let house = Arc::new(House::open(answering("a")).await);
    let done = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (house, done, served) =
                (Arc::clone(&house), Arc::clone(&done), Arc::clone(&served));
            tokio::spawn(async move {
                let mut client = house.client().await;
                while !done.load(Ordering::Relaxed) {
                    let request = Request::get("/x").header("host", "a");
                    let request = request.body(Full::default()).expect("a request");
                    let answer = client.send_request(request).await.expect("an answer");
                    let answer = Answered::read(answer).await;
                    assert_eq!(answer.status, StatusCode::OK);
                    assert!(matches!(&*answer.body, "a" | "b"), "{:?}", answer.body);
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut before = document(&answering("a"), None);
    for turn in 0..1000 {
        let text = if turn % 2 == 0 { "b" } else { "a" };
        let next = document(&answering(text), Some(&before));
        let (snapshot, reported) = house.workshop.build(&next, Some(&house.gateway.snapshot()));
        assert!(reported.is_empty());
        house.gateway.replace(snapshot);
        before = next;
        tokio::task::yield_now().await;
    }
    done.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("no request failed");
    }
    assert!(served.load(Ordering::Relaxed) > 0);
    assert_eq!(house.get("/x").await.body, "a");
}

#[tokio::test]
async fn a_broken_item_keeps_its_good_version_and_blocks_nobody() {
    let house = House::open(json!({ "routes": [
        { "id": "1", "uri": "/one", "plugins": { "answer": { "text": "one" } } },
        { "id": "2", "uri": "/two", "plugins": { "answer": { "text": "two" } } },
    ] }))
    .await;
    let broken = document(
        &json!({ "routes": [
            { "id": "1", "uri": "/one", "plugins": { "answer": { "text": "" } } },
            { "id": "2", "uri": "/two", "plugins": { "answer": { "text": "new" } } },
            { "id": "3", "uri": "/three", "plugins": { "no-such-plugin": {} } },
            { "id": "4", "uri": "/four", "vars": [["a", "?", "b"]], "plugins": { "answer": { "text": "four" } } },
        ] }),
        None,
    );
    let (snapshot, reported) = house
        .workshop
        .build(&broken, Some(&house.gateway.snapshot()));
    let told: Vec<_> = reported
        .iter()
        .map(|fault| (&*fault.key, &*fault.pointer, fault.outcome))
        .collect();
    assert_eq!(
        told,
        [
            ("/routes/1", "/plugins/answer/text", Outcome::Kept),
            ("/routes/3", "/plugins/no-such-plugin", Outcome::Dropped),
            ("/routes/4", "/vars", Outcome::Dropped),
        ]
    );
    house.gateway.replace(snapshot);
    assert_eq!(house.get("/one").await.body, "one");
    assert_eq!(house.get("/two").await.body, "new");
    assert_eq!(house.get("/three").await.status, StatusCode::NOT_FOUND);
    // The good version is still there when other things change later.
    let (snapshot, _) = house
        .workshop
        .build(&broken, Some(&house.gateway.snapshot()));
    house.gateway.replace(snapshot);
    assert_eq!(house.get("/one").await.body, "one");
}

#[tokio::test]
async fn a_request_under_way_keeps_the_snapshot_it_began_with() {
    let house = House::open(
        json!({ "routes": [{ "id": "1", "uri": "/x", "plugins": { "reads-body": {} } }] }),
    )
    .await;
    let mut client = house.raw().await;
    client
        .send("POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        .await;
    client.read_until("100 Continue\r\n\r\n").await;
    let (snapshot, _) = house.workshop.build(&document(&json!({}), None), None);
    house.gateway.replace(snapshot);
    client.send("body").await;
    let answer = client.read_until("\r\n\r\nbody").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
    assert_eq!(house.get("/x").await.status, StatusCode::NOT_FOUND);
}

#[test]
fn faults_of_consumers_and_rules_are_reported() {
    let workshop = Workshop::new();
    let document = document(
        &json!({
            "consumers": [
                { "username": "first", "plugins": { "who": { "key": "k" } } },
                { "username": "second", "plugins": { "who": { "key": "k" } } },
                { "username": "third", "plugins": { "who": { "kye": "x" } } },
            ],
            "global_rules": [
                { "id": "1", "plugins": { "mark": { "name": "a" } } },
                { "id": "2", "plugins": { "mark": { "name": "b" } } },
            ],
            "routes": [{ "id": "1", "uri": "/*", "upstream": { "type": "chash", "key": "uri", "nodes": { "127.0.0.1:1": 1 } } }],
        }),
        None,
    );
    let (_, reported) = workshop.build(&document, None);
    let told: Vec<_> = reported.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 5, "{told:#?}");
    assert_eq!(
        told[0],
        "/global_rules/2: plugins.mark: plugin 'mark' already exists in global rule with id '1' (left out)"
    );
    assert_eq!(
        told[1],
        "/routes/1: upstream.type: nodes are chosen by roundrobin, \"chash\" is not supported"
    );
    assert_eq!(
        told[2],
        "/consumers/second: plugins.who: duplicate key of plugin who found with consumer: first"
    );
    assert_eq!(
        told[3..],
        [
            "/consumers/third: plugins.who: property \"key\" is required (left out)",
            "/consumers/third: plugins.who.kye: additional properties forbidden, found kye (left out)",
        ],
        "every fault of a plugin"
    );
}

#[tokio::test]
async fn a_repeated_global_plugin_runs_in_no_rule() {
    let workshop = Workshop::new();
    let house = House::behind(
        crate::support::door(),
        gateway::Settings::default(),
        json!({}),
        workshop,
    )
    .await;
    let twice = document(
        &json!({ "global_rules": [
            { "id": "1", "plugins": { "mark": { "name": "a" }, "mark-too": { "name": "c" } } },
            { "id": "2", "plugins": { "mark": { "name": "b" } } },
        ] }),
        None,
    );
    let (snapshot, _) = house.workshop.build(&twice, None);
    house.gateway.replace(snapshot);
    let answer = house.get("/x").await;
    assert_eq!(answer.header("x-marks"), Some("c.rewrite c.access c.head"));
}

#[tokio::test]
async fn a_new_consumer_is_known_at_once_and_an_old_one_forgotten() {
    let with = |key: &str| {
        json!({
            "consumers": [{ "username": "jack", "plugins": { "who": { "key": key } } }],
            "routes": [{ "id": "1", "uri": "/x", "plugins": { "who": {}, "answer": { "text": "in" } } }],
        })
    };
    let house = House::open(with("old")).await;
    let ask = |key: &str| -> Request<Full<Bytes>> {
        Request::get("/x")
            .header("authorization", key)
            .body(Full::default())
            .expect("a request")
    };
    assert_eq!(house.send(ask("old")).await.status, StatusCode::OK);
    let (snapshot, _) = house.workshop.build(
        &document(&with("new"), None),
        Some(&house.gateway.snapshot()),
    );
    house.gateway.replace(snapshot);
    assert_eq!(
        house.send(ask("old")).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(house.send(ask("new")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn references_to_secrets_are_replaced_by_their_values() {
    let mut workshop = Workshop::new();
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    workshop.process = [variable("KEY", "k-1"), variable("TEXT", "in")]
        .into_iter()
        .collect();
    let text = |text: &str| {
        json!({
            "consumers": [
                { "username": "jack", "plugins": { "who": { "key": "$env://KEY" } } },
                { "username": "jill", "plugins": { "who": { "key": "$env://NO_KEY" } } },
            ],
            "routes": [{ "id": "1", "uri": "/x", "plugins": { "who": {}, "answer": { "text": text } } }],
        })
    };
    let door = crate::support::door();
    let house = House::behind(door, gateway::Settings::default(), json!({}), workshop).await;
    let build = |resources: Value| {
        let document = document(&resources, None);
        let before = house.gateway.snapshot();
        let (snapshot, reported) = house.workshop.build(&document, Some(&before));
        house.gateway.replace(snapshot);
        reported.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let lost = "/consumers/jill: plugins.who.key: no value for $env://NO_KEY: environment \
                variable \"NO_KEY\" is not set (in use without it)";
    assert_eq!(build(text("$env://TEXT")), [lost]);
    let ask = |key: &str| {
        let request = Request::get("/x").header("authorization", key);
        house.send(request.body(Full::default()).expect("a request"))
    };
    assert_eq!(ask("k-1").await.body, "in");
    for key in ["$env://KEY", "$env://NO_KEY"] {
        assert_eq!(ask(key).await.status, StatusCode::UNAUTHORIZED);
    }

    let verbatim = "/routes/1: plugins.answer.text: no value for $env://GONE: environment \
                    variable \"GONE\" is not set (in use without it)";
    assert_eq!(build(text("$env://GONE")), [lost, verbatim]);
    assert_eq!(ask("k-1").await.body, "$env://GONE");
}

#[test]
fn only_what_changed_is_compiled_again() {
    let workshop = Workshop::new();
    let resources = |service: &str, metadata: &str| {
        json!({
            "services": [{ "id": "s", "plugins": { "answer": { "text": service } } }],
            "plugin_metadata": [{ "id": "answer", "note": metadata }],
            "routes": [
                { "id": "1", "uri": "/own", "plugins": { "answer": { "text": "kept-own" } } },
                { "id": "2", "uri": "/shared", "service_id": "s" },
                { "id": "3", "uri": "/shared/too", "service_id": "s" },
            ],
        })
    };
    let count = |text: &str| crate::plugins::seen(text).compiled();
    let first = document(&resources("kept-old", "a"), None);
    let (before, _) = workshop.build(&first, None);
    assert_eq!(
        (count("kept-own"), count("kept-old")),
        (1, 1),
        "once for all users of a service"
    );

    let second = same_but(&first, &resources("kept-new", "a"), |next, new| {
        next.services.clone_from(&new.services);
    });
    let (after, _) = workshop.build(&second, Some(&before));
    assert_eq!((count("kept-own"), count("kept-new")), (1, 1));
    let (again, _) = workshop.build(&second, Some(&after));
    assert_eq!(
        (count("kept-own"), count("kept-new")),
        (1, 1),
        "through two changes"
    );

    let third = same_but(&second, &resources("kept-new", "b"), |next, new| {
        next.plugin_metadata.clone_from(&new.plugin_metadata);
    });
    workshop.build(&third, Some(&again));
    assert_eq!(
        (count("kept-own"), count("kept-new")),
        (2, 2),
        "metadata concern every user"
    );
}

/// The same items, save those that `replace` takes from a new document.
fn same_but(
    before: &Document,
    resources: &Value,
    replace: fn(&mut Document, &Document),
) -> Document {
    let mut next = before.clone();
    replace(&mut next, &document(resources, None));
    next
}
