use serde_json::json;

use super::*;
use crate::scratch::Scratch;

fn memory() -> Store {
    Store::in_memory().expect("a store in memory")
}

#[test]
fn revisions_count_writes_as_etcd_does() {
    let store = memory();
    let first = store
        .put("/apisix/routes/1", &json!({ "a": 1 }), None)
        .expect("written");
    let second = store
        .put("/apisix/routes/2", &json!({}), None)
        .expect("written");
    let again = store
        .put("/apisix/routes/1", &json!({ "a": 2 }), None)
        .expect("written");
    assert_eq!((first.created, first.modified), (1, 1));
    assert_eq!((second.created, second.modified), (2, 2));
    assert_eq!((again.created, again.modified), (1, 3));
    assert_eq!(store.get("/apisix/routes/1").expect("read"), Some(again));
    assert_eq!(store.revision(), 3);
}

#[test]
fn a_key_that_was_deleted_is_created_anew() {
    let store = memory();
    store.put("/k", &json!(1), None).expect("written");
    let gone = store.delete("/k").expect("deleted").expect("it was there");
    assert_eq!(gone.value, json!(1));
    assert_eq!(store.delete("/k").expect("nothing to do"), None);
    assert_eq!(store.revision(), 2, "deleting nothing is no write");
    let anew = store.put("/k", &json!(2), None).expect("written");
    assert_eq!((anew.created, anew.modified), (3, 3));
}

#[test]
fn a_list_has_the_keys_below_its_prefix_in_order() {
    let store = memory();
    for key in [
        "/apisix/routes/2",
        "/apisix/routes/1",
        "/apisix/services/1",
        "/apisix/route",
    ] {
        store.put(key, &json!({}), None).expect("written");
    }
    let keys: Vec<_> = store.list("/apisix/routes/").expect("read");
    let keys: Vec<_> = keys.into_iter().map(|entry| entry.key).collect();
    assert_eq!(keys, ["/apisix/routes/1", "/apisix/routes/2"]);
}

#[test]
fn member_order_and_number_tokens_are_kept() {
    let store = memory();
    let value: Value = serde_json::from_str(r#"{"z":1,"a":1.50,"m":[]}"#).expect("JSON");
    store.put("/k", &value, None).expect("written");
    let stored = store.get("/k").expect("read").expect("there").value;
    assert_eq!(stored.to_string(), value.to_string());
}

#[test]
fn a_write_over_a_changed_entry_is_refused() {
    let store = memory();
    let created = store
        .compare_and_put("/k", 0, &json!(1), None)
        .expect("not there yet");
    let refused = store.compare_and_put("/k", 0, &json!(2), None);
    assert!(matches!(refused, Err(StoreError::Changed)));
    let replaced = store.compare_and_put("/k", created.modified, &json!(3), None);
    assert_eq!(replaced.expect("unchanged since").modified, 2);
    assert_eq!(
        store.get("/k").expect("read").expect("there").value,
        json!(3)
    );
}

#[test]
fn a_step_that_fails_writes_nothing() {
    let store = memory();
    let failed: Result<(), StoreError> = store.transact(|transaction| {
        transaction.put("/a", &json!(1), None)?;
        assert!(
            transaction.get("/a")?.is_some(),
            "a step sees its own writes"
        );
        Err(StoreError::Changed)
    });
    assert!(failed.is_err());
    assert_eq!(store.get("/a").expect("read"), None);
    assert_eq!(store.revision(), 0);
}

#[test]
fn the_writes_of_a_step_share_a_revision() {
    let store = memory();
    let revision = store
        .transact(|transaction| -> Result<u64, StoreError> {
            transaction.put("/a", &json!(1), None)?;
            transaction.put("/b", &json!(1), None)?;
            Ok(transaction.revision())
        })
        .expect("written");
    let modified = |key| store.get(key).expect("read").expect("there").modified;
    assert_eq!((revision, modified("/a"), modified("/b")), (1, 1, 1));
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    let scratch = Scratch::new();
    let store = Store::open(scratch.path()).expect("opened");
    let written = store
        .put("/k", &json!({ "a": [1] }), None)
        .expect("written");
    drop(store);
    let store = Store::open(scratch.path()).expect("opened again");
    assert_eq!(store.get("/k").expect("read"), Some(written));
    assert_eq!(
        store.put("/l", &json!(1), None).expect("written").modified,
        2
    );
}

#[test]
fn two_processes_cannot_share_a_directory() {
    let scratch = Scratch::new();
    let _store = Store::open(scratch.path()).expect("opened");
    let second = Store::open(scratch.path());
    assert!(matches!(second, Err(StoreError::Open { .. })), "{second:?}");
}

#[cfg(unix)]
#[test]
fn the_file_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::new();
    let _store = Store::open(scratch.path()).expect("opened");
    let metadata = std::fs::metadata(scratch.path().join("tollgate.redb")).expect("the file");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
}

#[test]
fn entries_end_when_their_time_is_over() {
    let store = memory();
    let life = Duration::from_mins(1);
    let end = store
        .put("/short", &json!(1), Some(life))
        .expect("written")
        .expires;
    store.put("/ever", &json!(1), None).expect("written");
    let end = end.expect("a life that ends");
    let next = store
        .expire(end - Duration::from_secs(1))
        .expect("nothing to do");
    assert_eq!((next, store.revision()), (Some(end), 2));
    let next = store.expire(end).expect("removed");
    assert_eq!((next, store.revision()), (None, 3));
    assert_eq!(store.get("/short").expect("read"), None);
    assert!(store.get("/ever").expect("read").is_some());
}

#[test]
fn an_entry_that_is_written_again_without_a_life_stays() {
    let store = memory();
    let life = Duration::from_mins(1);
    store.put("/k", &json!(1), Some(life)).expect("written");
    store.put("/k", &json!(2), None).expect("written");
    let next = store
        .expire(SystemTime::now() + life * 2)
        .expect("nothing to do");
    assert_eq!(next, None);
    assert!(store.get("/k").expect("read").is_some());
}

#[test]
fn entries_whose_time_is_over_are_gone_after_a_restart() {
    let scratch = Scratch::new();
    let store = Store::open(scratch.path()).expect("opened");
    store
        .put("/short", &json!(1), Some(Duration::ZERO))
        .expect("written");
    store
        .put("/long", &json!(1), Some(Duration::from_hours(1)))
        .expect("written");
    drop(store);
    let store = Store::open(scratch.path()).expect("opened again");
    let keys: Vec<_> = store.list("").expect("read");
    let keys: Vec<_> = keys.into_iter().map(|entry| entry.key).collect();
    assert_eq!(keys, ["/long"]);
}

#[test]
fn watchers_see_the_revision_after_the_write() {
    let store = memory();
    let mut watcher = store.subscribe();
    assert!(!watcher.has_changed().expect("the store lives"));
    store.put("/k", &json!(1), None).expect("written");
    assert!(watcher.has_changed().expect("the store lives"));
    assert_eq!(*watcher.borrow_and_update(), 1);
}

#[test]
fn writers_take_turns() {
    let store = memory();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            std::thread::spawn(move || {
                store.transact(|transaction| -> Result<(), StoreError> {
                    let count = transaction
                        .get("/count")?
                        .map_or(json!(0), |entry| entry.value);
                    let count = count.as_u64().unwrap_or_default() + 1;
                    transaction.put("/count", &json!(count), None)?;
                    Ok(())
                })
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic").expect("written");
    }
    assert_eq!(
        store.get("/count").expect("read").expect("there").value,
        json!(8)
    );
}
