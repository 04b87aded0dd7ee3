//! The algorithms that Tollgate has beside those of APISIX.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use simulator::{Behaviour, Place};

use crate::stage::{CHAT, Member, STREAM, Stage, instance_of, join_all, stall, trail};
use crate::support::post;

const ALL: [&str; 3] = ["least_busy", "ewma", "prefix"];

fn by(algorithm: &str) -> Value {
    json!({ "balancer": { "algorithm": algorithm } })
}

fn falling_back(algorithm: &str) -> Value {
    json!({ "balancer": { "algorithm": algorithm }, "fallback_strategy": "http_5xx" })
}

/// A conversation in which `question` was asked, and answered `turns - 1` times.
fn conversation(question: &str, turns: usize) -> String {
    let mut messages = vec![
        json!({ "role": "system", "content": "be brief" }),
        json!({ "role": "user", "content": question }),
    ];
    for turn in 1..turns {
        let answer = format!("answer {turn}");
        messages.push(json!({ "role": "assistant", "content": answer }));
        messages.push(json!({ "role": "user", "content": format!("{question} {turn}") }));
    }
    json!({ "model": "m-1", "messages": messages }).to_string()
}

fn failing(name: &'static str) -> Member {
    Member::behaving(name, Behaviour::status(StatusCode::INTERNAL_SERVER_ERROR))
}

#[tokio::test]
async fn the_trail_names_the_algorithm() {
    for algorithm in ALL {
        let stage = Stage::new([Member::new("a"), Member::new("b")], by(algorithm)).await;
        let seen = stage.chat(CHAT).await;
        assert_eq!(trail(&seen)[0].1, algorithm);
    }
}

#[tokio::test]
async fn priorities_and_weights_of_zero_count_with_every_algorithm() {
    for algorithm in ALL {
        let members = [
            Member::new("a"),
            Member::new("b").priority(1).weight(0),
            Member::new("c").priority(1),
        ];
        let stage = Stage::new(members, by(algorithm)).await;
        assert_eq!(stage.sequence(5).await, ["c"; 5], "{algorithm}");
    }
}

#[tokio::test]
async fn a_failed_instance_is_followed_by_its_peer_and_then_by_a_lower_priority() {
    for algorithm in ALL {
        let members = [
            failing("a").priority(1),
            failing("b").priority(1),
            Member::new("c"),
        ];
        let stage = Stage::new(members, falling_back(algorithm)).await;
        let seen = stage.chat(CHAT).await;
        assert_eq!(seen.status, StatusCode::OK, "{algorithm}");
        let asked: Vec<_> = trail(&seen).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(asked.len(), 3, "{algorithm}: {asked:?}");
        assert_eq!(asked[2], "c", "{algorithm}");
    }
}

#[tokio::test]
async fn an_instance_that_is_busy_is_passed_over_until_its_client_leaves() {
    let members = [Member::behaving("a", stall(Place::Head)), Member::new("b")];
    let stage = Stage::new(members, by("least_busy")).await;
    let a = stage.upstream("a");
    // Turns start anywhere: the first or the second one is for `a`.
    let mut asked = Box::pin(stage.chat(CHAT));
    let is_stuck = tokio::select! {
        _ = &mut asked => false,
        () = a.journal().wait_for(|view| view.stats.requests == 1) => true,
    };
    if !is_stuck {
        asked = Box::pin(stage.chat(CHAT));
        tokio::select! {
            seen = &mut asked => panic!("it was not the turn of {}", instance_of(&seen)),
            () = a.journal().wait_for(|view| view.stats.requests == 1) => {}
        }
    }
    assert_eq!(stage.sequence(5).await, ["b"; 5]);
    drop(asked);
    a.script().set_default(Behaviour::default());
    let names = stage.sequence(4).await;
    assert_eq!(names.iter().filter(|name| *name == "a").count(), 2);
}

#[tokio::test]
async fn a_stream_is_in_flight_until_its_end() {
    let members = [Member::new("a"), Member::new("b")];
    let stage = Stage::new(members, by("least_busy")).await;
    for _ in 0..3 {
        let mut names = [
            instance_of(&stage.chat(STREAM).await),
            instance_of(&stage.chat(STREAM).await),
        ];
        names.sort();
        assert_eq!(names, ["a", "b"]);
    }
    let (one, other) = tokio::join!(stage.chat(STREAM), stage.chat(STREAM));
    assert_ne!(instance_of(&one), instance_of(&other));
}

#[tokio::test]
async fn a_slow_instance_gets_less_of_a_crowd() {
    // Eight clients, each of which asks again as soon as it is answered.
    for algorithm in ["least_busy", "ewma"] {
        let slow = Behaviour {
            delay: Duration::from_millis(800),
            ..Behaviour::default()
        };
        let members = [
            Member::behaving("slow", slow),
            Member::new("one"),
            Member::new("other"),
        ];
        let stage = Stage::new(members, by(algorithm)).await;
        let client = async || {
            for _ in 0..25 {
                assert_eq!(stage.chat(CHAT).await.status, StatusCode::OK);
            }
        };
        join_all((0..8).map(|_| client())).await;
        let counts = stage.counts();
        let quick = counts["one"].min(counts["other"]);
        assert!(counts["slow"] * 3 < quick, "{algorithm}: {counts:?}");
        assert!(counts["slow"] > 0, "{algorithm}: {counts:?}");
    }
}

#[tokio::test]
async fn two_hundred_interleaved_conversations_stay_where_they_are_and_the_load_stays_even() {
    let members = ["a", "b", "c", "d"].map(Member::new);
    let stage = Stage::new(members, by("prefix")).await;
    let turns = |conversation: usize| 3 + conversation * 7 % 6;
    let mut homes: Vec<Vec<String>> = vec![Vec::new(); 200];
    // Not turn by turn in the same order: each round has the conversations in another one.
    for round in 0..8 {
        for place in 0..200 {
            let conversation = (place * 37 + round * 61) % 200;
            let turn = homes[conversation].len() + 1;
            if turn > turns(conversation) {
                continue;
            }
            let body = conversation_of(conversation, turn);
            homes[conversation].push(instance_of(&stage.chat(&body).await));
        }
    }
    let (mut kept, mut all) = (0, 0);
    for went in &homes {
        let of = |name| went.iter().filter(|one| *one == name).count();
        kept += went.iter().map(of).max().unwrap_or(0);
        all += went.len();
    }
    assert!(kept * 10 >= all * 9, "{kept} of {all}");
    let counts = stage.counts();
    let most = counts.values().max().copied().unwrap_or(0);
    assert!(most * 4 * 4 <= all as u64 * 5, "{counts:?} of {all}");
}

/// One of many conversations with a common system prompt.
fn conversation_of(number: usize, turns: usize) -> String {
    conversation(&format!("question {number}"), turns)
}

#[tokio::test]
async fn an_instance_that_fails_at_once_does_not_pass_for_a_quick_one() {
    for body in [CHAT, STREAM] {
        let members = [failing("a"), Member::new("b")];
        let stage = Stage::new(members, falling_back("ewma")).await;
        for _ in 0..20 {
            assert_eq!(stage.chat(body).await.status, StatusCode::OK);
        }
        let failed = stage.counts()["a"];
        assert!(failed <= 2, "asked {failed} times");
    }
}

#[tokio::test]
async fn a_slow_instance_gets_less_by_its_times() {
    let slow = Behaviour {
        delay: Duration::from_millis(300),
        ..Behaviour::default()
    };
    let halting = Behaviour {
        interval: Duration::from_millis(60),
        chunks: Some(6),
        text: Some("a b c d e f".to_owned()),
        ..Behaviour::default()
    };
    for (behaviour, body) in [(slow.clone(), CHAT), (slow, STREAM), (halting, STREAM)] {
        let members = [Member::behaving("a", behaviour), Member::new("b")];
        let stage = Stage::new(members, by("ewma")).await;
        // Until both are known a lot decides; then the quicker of the two is asked.
        while stage.counts().values().any(|count| *count == 0) {
            stage.chat(body).await;
        }
        for _ in 0..8 {
            assert_eq!(instance_of(&stage.chat(body).await), "b");
        }
    }
}

#[tokio::test]
async fn turns_of_a_conversation_stay_at_one_instance() {
    let members = ["a", "b", "c"].map(Member::new);
    let stage = Stage::new(members, by("prefix")).await;
    let questions: Vec<_> = (0..12).map(|number| format!("question {number}")).collect();
    let mut homes: Vec<String> = Vec::new();
    for turn in 1..=4 {
        for (number, question) in questions.iter().enumerate() {
            let seen = stage.chat(&conversation(question, turn)).await;
            let name = instance_of(&seen);
            match homes.get(number) {
                Some(home) => assert_eq!(name, *home, "{question}, turn {turn}"),
                None => homes.push(name),
            }
        }
    }
    // One opening of all: the instances share it as evenly as the few requests allow.
    assert!(stage.counts().into_values().all(|count| count >= 8));
}

#[tokio::test]
async fn a_conversation_moves_when_its_instance_fails_and_does_not_come_back() {
    let stage = Stage::new(["a", "b"].map(Member::new), falling_back("prefix")).await;
    let first = instance_of(&stage.chat(&conversation("why", 1)).await);
    let home = stage.upstream(&first);
    home.script()
        .push(Behaviour::status(StatusCode::INTERNAL_SERVER_ERROR));
    let second = stage.chat(&conversation("why", 2)).await;
    assert_eq!(trail(&second)[0].0, first);
    let other = instance_of(&second);
    assert_ne!(other, first);
    for turn in 3..6 {
        let seen = stage.chat(&conversation("why", turn)).await;
        assert_eq!(instance_of(&seen), other, "turn {turn}");
    }
}

#[tokio::test]
async fn what_was_learnt_survives_a_change_of_something_else() {
    let stage = Stage::new(["a", "b"].map(Member::new), by("prefix")).await;
    let mut config = stage.config.clone();
    config["timeout"] = json!(5000);
    let changed = stage.bench.next("/routes/1", "ai-proxy-multi", &config);
    for number in 0..8 {
        let question = format!("question {number}");
        let before = instance_of(&stage.chat(&conversation(&question, 1)).await);
        let body = conversation(&question, 2);
        let after = changed.send(post("/v1/chat/completions", &body, &[])).await;
        assert_eq!(instance_of(&after), before, "{question}");
    }
}

#[tokio::test]
async fn what_was_learnt_survives_changes_of_other_instances() {
    let stage = Stage::new(["a", "b", "c"].map(Member::new), by("prefix")).await;
    let mut config = stage.config.clone();
    config["instances"][2]["name"] = json!("d");
    config["instances"][2]["weight"] = json!(2);
    let mut homes = Vec::new();
    for number in 0..12 {
        let question = format!("question {number}");
        homes.push(instance_of(&stage.chat(&conversation(&question, 1)).await));
    }
    let changed = stage.bench.next("/routes/1", "ai-proxy-multi", &config);
    for (number, home) in homes.iter().enumerate().filter(|(_, home)| *home != "c") {
        let body = conversation(&format!("question {number}"), 2);
        let seen = changed.send(post("/v1/chat/completions", &body, &[])).await;
        assert_eq!(instance_of(&seen), *home, "question {number}");
    }
    assert!(homes.iter().any(|home| home != "c"));
}

#[tokio::test]
async fn what_is_in_flight_is_known_when_an_instance_comes() {
    let members = [
        Member::behaving("a", stall(Place::Head)),
        Member::new("b").weight(0),
    ];
    let stage = Stage::new(members, by("least_busy")).await;
    let mut config = stage.config.clone();
    config["instances"][1]["weight"] = json!(1);
    let changed = stage.bench.next("/routes/1", "ai-proxy-multi", &config);
    let a = stage.upstream("a").journal();
    tokio::select! {
        _ = stage.chat(CHAT) => panic!("it was answered"),
        () = a.wait_for(|view| view.stats.requests == 1) => {}
    }
    // It was given up; another one is begun, and stays.
    let waiting = stage.chat(CHAT);
    tokio::pin!(waiting);
    tokio::select! {
        _ = &mut waiting => panic!("it was answered"),
        () = a.wait_for(|view| view.stats.requests == 2) => {}
    }
    for _ in 0..4 {
        let seen = changed.send(post("/v1/chat/completions", CHAT, &[])).await;
        assert_eq!(instance_of(&seen), "b");
    }
}

#[tokio::test]
async fn no_prompt_is_cut_where_nobody_chooses_by_it() {
    for (priority, is_cut) in [(0, true), (1, false)] {
        let members = [Member::new("a"), Member::new("b").priority(priority)];
        let stage = Stage::new(members, by("prefix")).await;
        let seen = stage.chat(CHAT).await;
        let exchange = seen.ctx.exchange.as_ref().expect("an exchange");
        assert_eq!(!exchange.prompt_blocks.is_empty(), is_cut, "{priority}");
    }
}
