//! Writes: their life, and when they are answered.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use admin::{Api, Source};
use config::source::{Store, StoreSource};
use serde_json::json;

use crate::support::{ADMIN, Client, House, listen, live, put, wiring};

const ROUTE: &str = r#"{"uri":"/a","plugins":{}}"#;

#[tokio::test]
async fn a_write_with_a_time_to_live_ends() {
    let house = House::new().await;
    for (method, path) in [("PUT", "/routes/1?ttl=60"), ("POST", "/routes?ttl=60")] {
        assert_eq!(house.client.send(method, path, ROUTE).await.status, 201);
    }
    let entry = house.store.get("/apisix/routes/1").unwrap().unwrap();
    let life = entry
        .expires
        .unwrap()
        .duration_since(SystemTime::now())
        .unwrap();
    assert!(life <= Duration::from_mins(1), "{life:?}");
    house
        .store
        .expire(SystemTime::now() + Duration::from_secs(61))
        .unwrap();
    assert_eq!(house.client.get("/routes").await.json()["total"], 0);
}

#[tokio::test]
async fn a_write_without_a_time_to_live_lasts() {
    let house = House::new().await;
    house.client.send("PUT", "/routes/1?ttl=60", ROUTE).await;
    house.client.send("PATCH", "/routes/1", "{}").await;
    assert_eq!(
        house
            .store
            .get("/apisix/routes/1")
            .unwrap()
            .unwrap()
            .expires,
        None
    );
    house.client.send("PATCH", "/routes/1?ttl=1.5", "{}").await;
    assert!(
        house
            .store
            .get("/apisix/routes/1")
            .unwrap()
            .unwrap()
            .expires
            .is_some()
    );
}

#[tokio::test]
async fn a_time_to_live_is_a_number_above_zero() {
    let house = House::new().await;
    for ttl in ["soon", "", "1s"] {
        let answer = house
            .client
            .send("PUT", &format!("/routes/1?ttl={ttl}"), ROUTE)
            .await;
        let expected = "invalid argument ttl: should be a number";
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, expected),
            "{ttl}"
        );
    }
    for ttl in ["0", "-1", "nan", "inf", "1e300"] {
        let answer = house
            .client
            .send("PUT", &format!("/routes/1?ttl={ttl}"), ROUTE)
            .await;
        assert_eq!(answer.status, 400, "{ttl}");
        assert!(
            answer.error().starts_with("invalid argument ttl: "),
            "{ttl}"
        );
    }
}

#[tokio::test]
async fn what_was_answered_is_served() {
    let house = House::new().await;
    for number in 1..=20 {
        let path = format!("/routes/{number}");
        put(&house.client, &path, json!({ "uri": "/a", "plugins": {} })).await;
        assert_eq!(house.live.document().routes.len(), number);
    }
    house.client.send("DELETE", "/routes/1", "").await;
    assert_eq!(house.live.document().routes.len(), 19);
}

#[tokio::test]
async fn an_answer_waits_until_the_write_is_served() {
    let store = Store::in_memory().unwrap();
    let (sender, live) = live(None);
    let wiring = wiring(Source::Store(store.clone()), live);
    let client = Client::new(listen(Api::new(wiring)).await).key(ADMIN);
    let mut written = store.subscribe();
    let mut answer =
        tokio::spawn(async move { client.send("PUT", "/routes/1", ROUTE).await.status });
    written.changed().await.unwrap();
    tokio::select! {
        biased;
        status = &mut answer => panic!("answered {status:?} before it was served"),
        () = tokio::task::yield_now() => {}
    }
    let loaded = StoreSource::new(store).load().await.unwrap();
    sender.send(Some(Arc::new(loaded))).unwrap();
    assert_eq!(answer.await.unwrap(), 201);
}

#[tokio::test]
async fn an_answer_does_not_wait_for_ever() {
    let store = Store::in_memory().unwrap();
    let (sender, live) = live(None);
    let client = Client::new(listen(Api::new(wiring(Source::Store(store), live))).await).key(ADMIN);
    assert_eq!(client.send("PUT", "/routes/1", ROUTE).await.status, 201);
    drop(sender);
    assert_eq!(client.send("PUT", "/routes/2", ROUTE).await.status, 201);
}

#[tokio::test]
async fn what_was_answered_is_on_disk() {
    let directory = std::env::temp_dir().join(format!("tollgate-admin-{}", std::process::id()));
    let store = Store::open(&directory).unwrap();
    let (_, live) = live(None);
    let api = Api::new(wiring(Source::Store(store), live));
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(server.local_addr().unwrap()).key(ADMIN);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(admin::serve(
        server,
        Arc::new(api),
        admin::Limits::default(),
        async move { stopped.await.unwrap_or_default() },
    ));
    assert_eq!(client.send("PUT", "/routes/1", ROUTE).await.status, 201);
    stop.send(()).unwrap();
    serving.await.unwrap();
    let store = Store::open(&directory).unwrap();
    assert!(store.get("/apisix/routes/1").unwrap().is_some());
    std::fs::remove_dir_all(&directory).unwrap();
}
