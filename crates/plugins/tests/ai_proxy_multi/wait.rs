//! When a client is told to come back.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::breaker::{all, asking_for, keyed, retry_after};
use crate::health;
use crate::stage::{CHAT, Member, Stage, pass, status, statuses};
use crate::support::Seen;

fn limited(name: &'static str, seconds: &str) -> Member {
    let behaviour = asking_for(429, "retry-after", seconds);
    keyed(Member::behaving(name, behaviour), json!({}))
}

/// The wait in seconds; a second may have begun meanwhile.
fn told(seen: &Seen, seconds: u64) {
    let wait = retry_after(seen).expect("a wait");
    let wait: u64 = wait.parse().expect("seconds");
    assert!(wait == seconds || wait + 1 == seconds, "{wait}");
}

async fn asked(members: impl IntoIterator<Item = Member>, config: Value) -> Seen {
    Stage::new(members, config).await.chat(CHAT).await
}

#[tokio::test]
async fn an_exhausted_answer_tells_the_shortest_of_the_waits() {
    let seen = asked([limited("a", "40"), limited("b", "20")], all()).await;
    assert_eq!(seen.status, StatusCode::BAD_GATEWAY);
    told(&seen, 20);
}

#[tokio::test]
async fn it_tells_nothing_when_somebody_may_answer_at_once() {
    let b = Member::behaving("b", status(500));
    let seen = asked([limited("a", "40"), b], all()).await;
    assert_eq!(retry_after(&seen), None);
}

#[tokio::test]
async fn who_would_not_be_asked_is_not_waited_for() {
    let spare = Member::new("spare").weight(0);
    let seen = asked([limited("a", "40"), limited("b", "20"), spare], all()).await;
    assert_eq!(statuses(&seen), [429, 429]);
    told(&seen, 20);
    // Whoever weighs nothing comes back sooner, and is of no use.
    let spare = limited("spare", "5").weight(0);
    told(
        &asked([limited("a", "40"), limited("b", "20"), spare], all()).await,
        20,
    );

    let sick = Member::new("sick").with(json!({ "checks": health::checks() }));
    let stage = Stage::new([limited("a", "40"), limited("b", "20"), sick], all()).await;
    health::answer_health(&stage, "sick", StatusCode::SERVICE_UNAVAILABLE);
    health::turn(&stage).await;
    let seen = stage.chat(CHAT).await;
    assert_eq!(statuses(&seen), [429, 429]);
    told(&seen, 20);
}

#[tokio::test]
async fn what_this_request_was_told_counts_without_a_breaker_too() {
    // Without a breaker, and with the client's own key, of which no breaker learns.
    let disabled = |name, seconds| {
        let behaviour = asking_for(429, "retry-after", seconds);
        let more = json!({ "breaker": { "enabled": false } });
        keyed(Member::behaving(name, behaviour), more)
    };
    let keyless = |name, seconds| {
        let behaviour = asking_for(429, "retry-after-ms", seconds);
        Member::behaving(name, behaviour)
    };
    for members in [
        [disabled("a", "40"), disabled("b", "20")],
        [keyless("a", "40000"), keyless("b", "19900")],
        [disabled("a", "20"), keyless("b", "40000")],
    ] {
        let stage = Stage::new(members, all()).await;
        for _ in 0..6 {
            let seen = stage.chat(CHAT).await;
            assert_eq!(statuses(&seen), [429, 429]);
            told(&seen, 20);
        }
    }
}

#[tokio::test]
async fn an_open_breaker_tells_when_it_lets_somebody_through() {
    let members = ["a", "b"].map(|name| Member::behaving(name, status(500)));
    let stage = Stage::new(members, all()).await;
    for _ in 0..4 {
        assert_eq!(retry_after(&stage.chat(CHAT).await), None);
    }
    told(&stage.chat(CHAT).await, 5);
    pass(Duration::from_secs(3)).await;
    told(&stage.chat(CHAT).await, 2);
}

#[tokio::test]
async fn a_search_that_ends_early_tells_a_wait_only_if_all_are_known_to_need_one() {
    let members = || {
        [
            limited("a", "40").priority(2),
            limited("b", "20").priority(1),
        ]
    };
    let mut capped = all();
    capped["max_retries"] = json!(0);
    let mut slow = all();
    slow["retry_on_failure_within_ms"] = json!(1);
    let delayed = |mut member: Member| {
        member.behaviour.delay = Duration::from_millis(20);
        member
    };
    // `b` was not asked, so it may answer at once.
    let seen = asked(members(), capped.clone()).await;
    assert_eq!((seen.status.as_u16(), retry_after(&seen)), (429, None));
    let seen = asked(members().map(delayed), slow).await;
    assert_eq!((seen.status.as_u16(), retry_after(&seen)), (429, None));

    // Of both it is known from the attempts of this request, or of those before it.
    let mut once = all();
    once["max_retries"] = json!(1);
    let seen = asked(members(), once).await;
    assert_eq!(
        (seen.status.as_u16(), statuses(&seen)),
        (429, vec![429, 429])
    );
    told(&seen, 20);
    let three = || [members(), [limited("c", "10"), limited("d", "30")]];
    let stage = Stage::new(three().into_iter().flatten(), capped).await;
    for name in ["a", "b", "c", "d"] {
        // Each in turn, as the breakers open.
        for _ in 0..3 {
            let seen = stage.chat(CHAT).await;
            assert_eq!(
                (seen.status.as_u16(), statuses(&seen)),
                (429, vec![429]),
                "{name}"
            );
        }
    }
    told(&stage.chat(CHAT).await, 10);
}

#[tokio::test]
async fn refusals_and_single_instances_tell_no_wait() {
    let mut config = all();
    config["fallback_http_statuses"] = json!([401]);
    config["max_retries"] = json!(1);
    let refused = |name| {
        let behaviour = asking_for(401, "retry-after", "30");
        keyed(Member::behaving(name, behaviour), json!({}))
    };
    let seen = asked(["a", "b", "c"].map(refused), config).await;
    assert_eq!((seen.status.as_u16(), retry_after(&seen)), (401, None));
    let seen = asked([limited("a", "40")], all()).await;
    assert_eq!((seen.status.as_u16(), retry_after(&seen)), (429, None));
}
