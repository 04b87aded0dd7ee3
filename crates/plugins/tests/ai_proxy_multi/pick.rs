//! Who is asked.

use std::sync::Arc;

use http::{HeaderValue, StatusCode};
use net::pick::HashRing;
use plugin::Consumer;
use serde_json::{Value, json};
use simulator::Behaviour;

use crate::heard::Heard;
use crate::stage::{CHAT, Member, Stage, instance_of, statuses};
use crate::support::post;

/// Two instances of the known vector, chosen by hash.
async fn hashing(balancer: Value) -> Stage {
    let members = [
        Member::new("openai").weight(4),
        Member::new("deepseek").weight(1),
    ];
    let mut config = json!({ "balancer": { "algorithm": "chash" } });
    for (name, value) in balancer.as_object().expect("an object") {
        config["balancer"][name] = value.clone();
    }
    Stage::new(members, config).await
}

#[tokio::test]
async fn weights_four_to_one_give_eight_and_two_of_ten() {
    let members = [Member::new("a").weight(4), Member::new("b").weight(1)];
    let stage = Stage::new(members, json!({})).await;
    for round in 0..3 {
        let names = stage.sequence(10).await;
        let b = names.iter().filter(|name| *name == "b").count();
        assert_eq!(b, 2, "round {round}: {names:?}");
    }
}

#[tokio::test]
async fn a_balancer_without_an_algorithm_takes_turns() {
    let members = [Member::new("a"), Member::new("b")];
    let stage = Stage::new(members, json!({ "balancer": {} })).await;
    let names = stage.sequence(4).await;
    assert_eq!(stage.counts().into_values().collect::<Vec<_>>(), [2, 2]);
    assert_ne!(names[0], names[1]);
}

#[tokio::test]
async fn the_larger_priority_gets_everything_whatever_the_weights() {
    let members = [
        Member::new("a").weight(100),
        Member::new("b").weight(1).priority(1),
        Member::new("c").weight(100).priority(-1),
    ];
    let stage = Stage::new(members, json!({})).await;
    assert_eq!(stage.sequence(5).await, ["b"; 5]);
}

#[tokio::test]
async fn an_instance_of_weight_zero_is_left_out_beside_others() {
    let members = [Member::new("a").weight(0), Member::new("b").weight(3)];
    let stage = Stage::new(members, json!({})).await;
    assert_eq!(stage.sequence(4).await, ["b"; 4]);

    let members = [Member::new("a").weight(0), Member::new("b").weight(0)];
    let stage = Stage::new(members, json!({})).await;
    stage.sequence(4).await;
    assert_eq!(stage.counts().into_values().collect::<Vec<_>>(), [2, 2]);

    // Each priority for itself: where all weigh nothing, all weigh the same.
    let members = [
        Member::new("a").weight(0).priority(1),
        Member::new("b").weight(7),
    ];
    let stage = Stage::new(members, json!({})).await;
    assert_eq!(stage.sequence(3).await, ["a"; 3]);
}

#[tokio::test]
async fn a_single_instance_is_asked_whatever_its_weight() {
    let stage = Stage::new([Member::new("a").weight(0)], json!({})).await;
    assert_eq!(stage.sequence(2).await, ["a"; 2]);
}

#[tokio::test]
async fn ten_keys_go_where_apisix_sends_them() {
    let stage = hashing(json!({ "key": "query_string" })).await;
    for index in 1..=10 {
        let uri = format!("/v1/chat/completions?index={index}");
        let seen = stage.ask(&uri, CHAT, &[]).await;
        let expected = if matches!(index, 2 | 4) {
            "deepseek"
        } else {
            "openai"
        };
        assert_eq!(instance_of(&seen), expected, "index={index}");
    }
}

#[tokio::test]
async fn a_key_is_found_in_headers_cookies_and_arguments() {
    for (balancer, uri, header) in [
        (
            json!({ "hash_on": "header", "key": "X-Session_id" }),
            "/v1/chat/completions",
            ("x-session-id", "index=2"),
        ),
        (
            json!({ "hash_on": "cookie", "key": "sid" }),
            "/v1/chat/completions",
            ("cookie", "a=b; sid=index=2"),
        ),
        (
            json!({ "hash_on": "vars", "key": "arg_user" }),
            "/v1/chat/completions?user=index%3D2",
            ("x", "y"),
        ),
        (
            json!({ "hash_on": "vars_combinations", "key": "$arg_a=$http_b" }),
            "/v1/chat/completions?a=index",
            ("b", "2"),
        ),
    ] {
        let stage = hashing(balancer.clone()).await;
        let seen = stage.ask(uri, CHAT, &[header]).await;
        assert_eq!(instance_of(&seen), "deepseek", "{balancer}");
    }
}

#[tokio::test]
async fn keys_are_bytes_whether_they_are_text_or_not() {
    for (balancer, name, before) in [
        (
            json!({ "hash_on": "header", "key": "x_user" }),
            "x-user",
            &b""[..],
        ),
        (
            json!({ "hash_on": "cookie", "key": "sid" }),
            "cookie",
            &b"a=b; sid="[..],
        ),
    ] {
        let stage = hashing(balancer).await;
        let mut names = Vec::new();
        for byte in 0xc0..=0xef_u8 {
            let mut ctx = post("/v1/chat/completions", CHAT, &[]);
            let value = HeaderValue::from_bytes(&[before, &[byte]].concat()).expect("a value");
            ctx.request.headers.insert(name, value);
            names.push(instance_of(&stage.bench.send(ctx).await));
        }
        let some = names.iter().filter(|name| *name == "deepseek").count();
        assert!((2..24).contains(&some), "{name}: {some}");
    }
}

#[tokio::test]
async fn a_consumer_is_a_key() {
    let stage = hashing(json!({ "hash_on": "consumer" })).await;
    for (username, instance) in [("index=2", "deepseek"), ("index=1", "openai")] {
        let mut ctx = post("/v1/chat/completions", CHAT, &[]);
        ctx.consumer = Some(Arc::new(Consumer {
            username: username.into(),
            group_id: None,
            credential_id: None,
            custom_id: None,
            auth: Value::Null,
            brings_plugins: false,
        }));
        assert_eq!(instance_of(&stage.bench.send(ctx).await), instance);
    }
}

#[tokio::test]
async fn a_request_without_the_key_is_placed_by_its_address() {
    let by_address = hashing(json!({ "key": "remote_addr" })).await;
    for balancer in [
        json!({ "key": "arg_missing" }),
        json!({ "hash_on": "header", "key": "missing" }),
        json!({ "hash_on": "cookie", "key": "missing" }),
        json!({ "hash_on": "consumer" }),
        json!({ "hash_on": "vars_combinations", "key": "x-$arg_missing" }),
    ] {
        let stage = hashing(balancer.clone()).await;
        for peer in [
            "10.0.0.1:1",
            "10.0.0.2:1",
            "10.0.0.7:1",
            "10.0.0.9:1",
            "10.0.0.12:1",
        ] {
            let request = || {
                let mut ctx = post("/v1/chat/completions", CHAT, &[]);
                ctx.request.peer = peer.parse().expect("an address");
                ctx
            };
            let found = instance_of(&stage.bench.send(request()).await);
            let expected = instance_of(&by_address.bench.send(request()).await);
            assert_eq!(found, expected, "{balancer} {peer}");
        }
    }
}

#[tokio::test]
async fn requests_without_the_key_are_told_of_once() {
    let heard = Heard::listening();
    let stage = hashing(json!({ "hash_on": "header", "key": "x-user" })).await;
    for _ in 0..5 {
        stage.chat(CHAT).await;
    }
    let what = "a request has no hash key, its address stands for it";
    assert_eq!(
        (heard.count("WARN", what), heard.count("DEBUG", what)),
        (1, 4)
    );
    assert!(
        heard.has("WARN", "hash_on=\"header x-user\""),
        "{}",
        heard.lines()
    );
}

#[tokio::test]
async fn turns_go_on_when_something_else_is_changed() {
    let members = [
        Member::new("a").weight(3),
        Member::new("b").weight(2),
        Member::new("c").weight(1),
    ];
    let stage = Stage::new(members, json!({})).await;
    let round = stage.sequence(6).await;
    let before = stage.sequence(2).await;
    assert_eq!(before, round[..2]);
    let mut changed = stage.config.clone();
    changed["timeout"] = json!(12_345);
    changed["instances"][0]["options"] = json!({ "model": "other" });
    let bench = stage.bench.next("/routes/1", "ai-proxy-multi", &changed);
    let mut after = Vec::new();
    for _ in 0..4 {
        let seen = bench.send(post("/v1/chat/completions", CHAT, &[])).await;
        after.push(instance_of(&seen));
    }
    assert_eq!(after, round[2..]);
}

#[tokio::test]
async fn any_window_of_a_round_has_each_instance_as_often_as_it_weighs() {
    let members = [
        Member::new("a").weight(10),
        Member::new("b").weight(6),
        Member::new("c").weight(4),
    ];
    let stage = Stage::new(members, json!({})).await;
    let names = stage.sequence(40).await;
    for window in names.windows(10) {
        let count = |name| window.iter().filter(|picked| *picked == name).count();
        assert_eq!((count("a"), count("b"), count("c")), (5, 3, 2), "{names:?}");
    }
    // Smooth: nobody waits longer than its share lets it.
    assert!(
        !names.windows(3).any(|three| three == ["a"; 3]),
        "{names:?}"
    );
}

#[tokio::test]
async fn turns_go_on_when_another_priority_is_changed() {
    let members = [
        Member::new("a").weight(3).priority(1),
        Member::new("b").weight(2).priority(1),
        Member::new("spare"),
    ];
    let stage = Stage::new(members, json!({})).await;
    let round = stage.sequence(5).await;
    let before = stage.sequence(2).await;
    let mut changed = stage.config.clone();
    changed["instances"][2]["weight"] = json!(9);
    changed["instances"][2]["name"] = json!("other");
    let bench = stage.bench.next("/routes/1", "ai-proxy-multi", &changed);
    let mut after = Vec::new();
    for _ in 0..3 {
        let seen = bench.send(post("/v1/chat/completions", CHAT, &[])).await;
        after.push(instance_of(&seen));
    }
    assert_eq!([before, after].concat(), round);
}

#[tokio::test]
async fn only_the_share_of_an_instance_that_comes_or_goes_moves() {
    let members = ["a", "b", "c", "d"].map(Member::new);
    let config = json!({ "balancer": { "algorithm": "chash", "key": "query_string" } });
    let stage = Stage::new(members, config).await;
    let mut fewer = stage.config.clone();
    fewer["instances"]
        .as_array_mut()
        .expect("an array")
        .remove(2);
    let fewer = stage.bench.next("/routes/1", "ai-proxy-multi", &fewer);
    let mut moved = 0;
    for key in 0..200 {
        let uri = format!("/v1/chat/completions?k={key}");
        let four = instance_of(&stage.ask(&uri, CHAT, &[]).await);
        let three = instance_of(&fewer.send(post(&uri, CHAT, &[])).await);
        if four == "c" {
            moved += 1;
        } else {
            assert_eq!(four, three, "{key}");
        }
    }
    assert!((25..80).contains(&moved), "{moved}");
}

#[tokio::test]
async fn routes_with_the_same_instances_share_a_ring() {
    let stage = hashing(json!({ "key": "query_string" })).await;
    let other = stage
        .bench
        .next("/routes/2", "ai-proxy-multi", &stage.config);
    let rings = stage.bench.living().all::<HashRing>();
    assert_eq!(rings.len(), 1);
    drop(other);
}

#[tokio::test]
async fn turns_are_not_shared_between_routes_and_start_again_when_weights_change() {
    let members = [Member::new("a").weight(3), Member::new("b").weight(1)];
    let stage = Stage::new(members, json!({})).await;
    let mut heavier = stage.config.clone();
    heavier["instances"][1]["weight"] = json!(3);
    let other = stage.bench.next("/routes/1", "ai-proxy-multi", &heavier);
    let mut count = 0;
    for _ in 0..4 {
        let seen = other.send(post("/v1/chat/completions", CHAT, &[])).await;
        count += usize::from(instance_of(&seen) == "b");
    }
    assert_eq!(count, 2);

    // Four picks of one route between those of another do not move its turns.
    let neighbour = stage
        .bench
        .next("/routes/2", "ai-proxy-multi", &stage.config);
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.extend(stage.sequence(1).await);
        neighbour
            .send(post("/v1/chat/completions", CHAT, &[]))
            .await;
    }
    assert_eq!(
        seen.iter().filter(|name| *name == "b").count(),
        1,
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_key_is_looked_up_once_for_each_choice() {
    let failing = |name| Member::behaving(name, Behaviour::status(StatusCode::BAD_GATEWAY));
    let config = json!({
        "balancer": { "algorithm": "chash", "hash_on": "header", "key": "x-user" },
        "fallback_strategy": "http_5xx",
    });
    let members = ["a", "b", "c", "d"].map(failing);
    let stage = Stage::new(members, config).await;
    // All breakers open: whoever recovers soonest is looked for among all.
    for _ in 0..5 {
        stage.chat(CHAT).await;
    }
    let heard = Heard::listening();
    assert_eq!(statuses(&stage.chat(CHAT).await).len(), 4);
    // One choice before the exchange, one for each attempt, and one that finds nobody.
    let what = "a request has no hash key";
    assert_eq!(heard.count("DEBUG", what), 6, "{}", heard.lines());
}

#[tokio::test]
async fn fields_without_effect_are_told_of_when_they_are_loaded() {
    let heard = Heard::listening();
    let checked = Member::new("a").with(json!({ "checks": { "active": {} } }));
    let stage = Stage::new([checked], json!({ "balancer": { "key": "uri" } })).await;
    stage.chat(CHAT).await;
    for field in ["balancer.key", "instances[0].checks"] {
        let told = heard.count("WARN", &format!("resource=\"/routes/1\" field=\"{field}\""));
        assert_eq!(told, 1, "{}", heard.lines());
    }
    assert_eq!(heard.count("WARN", "has no effect"), 2, "{}", heard.lines());
}
