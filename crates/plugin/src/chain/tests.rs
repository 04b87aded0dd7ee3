use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{Chain, Link};
use crate::sample::{get, post};
use crate::{
    AttemptGuard, Compiled, Ctx, Fault, Flow, Meta, Phases, Reply, ReplyBody, Say, Step, Want,
    Whose,
};

/// A plugin that notes in the request what of it ran.
struct Noting {
    name: &'static str,
    phases: Phases,
    want: Want,
    outcome: Outcome,
    held: Arc<AtomicUsize>,
}

#[derive(Clone, Copy)]
enum Outcome {
    Next,
    Wait,
    Respond(u16),
    Refuse(u16),
}

const ALL: Phases = Phases::REWRITE
    .and(Phases::ACCESS)
    .and(Phases::BEFORE_PROXY)
    .and(Phases::HEAD)
    .and(Phases::CHUNK)
    .and(Phases::LOG)
    .and(Phases::ATTEMPT);

struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Noting {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            phases: ALL,
            want: Want::NONE,
            outcome: Outcome::Next,
            held: Arc::default(),
        }
    }

    fn ending(name: &'static str, outcome: Outcome) -> Self {
        Self {
            outcome,
            ..Self::new(name)
        }
    }

    fn link(self, priority: i32) -> Link {
        Link::new(Arc::new(self), priority, Meta::default())
    }

    fn link_with(self, priority: i32, meta: &Value) -> Link {
        let meta = Meta::read(&json!({ "_meta": meta })).unwrap();
        Link::new(Arc::new(self), priority, meta)
    }

    fn note(&self, ctx: &mut Ctx, phase: &str) {
        ctx.params.push((phase.into(), self.name.to_owned()));
    }

    fn act<'a>(&'a self, ctx: &'a mut Ctx, phase: &'static str) -> Step<'a> {
        let reply = |status| Reply::json(StatusCode::from_u16(status).unwrap(), "{}");
        self.note(ctx, phase);
        match self.outcome {
            Outcome::Next => Step::NEXT,
            Outcome::Wait => Step::wait(async move {
                tokio::task::yield_now().await;
                self.note(ctx, "waited");
                Ok(Flow::Next)
            }),
            Outcome::Respond(status) => Step::respond(reply(status)),
            Outcome::Refuse(status) => Step::refuse(Fault::new(
                Whose::Client,
                StatusCode::from_u16(status).unwrap(),
                Say::Message("no".to_owned()),
            )),
        }
    }
}

impl Compiled for Noting {
    fn name(&self) -> &'static str {
        self.name
    }

    fn phases(&self) -> Phases {
        self.phases
    }

    fn want(&self) -> Want {
        self.want
    }

    fn rewrite<'a>(&'a self, ctx: &'a mut Ctx) -> Step<'a> {
        self.act(ctx, "rewrite")
    }

    fn access<'a>(&'a self, ctx: &'a mut Ctx) -> Step<'a> {
        self.act(ctx, "access")
    }

    fn before_proxy<'a>(&'a self, ctx: &'a mut Ctx) -> Step<'a> {
        self.act(ctx, "before_proxy")
    }

    fn head(&self, ctx: &mut Ctx, _status: &mut StatusCode, _headers: &mut HeaderMap) {
        self.note(ctx, "head");
    }

    fn chunk(&self, ctx: &mut Ctx, piece: &mut Bytes, last: bool) {
        self.note(ctx, if last { "last" } else { "chunk" });
        *piece = Bytes::from([piece, self.name.as_bytes()].concat());
    }

    fn attempt(&self, _ctx: &Ctx) -> Option<AttemptGuard> {
        self.held.fetch_add(1, Ordering::Relaxed);
        Some(AttemptGuard::new(Held(self.held.clone())))
    }

    fn log(&self, _ctx: &Ctx) {
        self.held.fetch_add(100, Ordering::Relaxed);
    }
}

/// What ran, in order: `phase:plugin`.
fn notes(ctx: &Ctx) -> Vec<String> {
    let notes = ctx.params.iter();
    notes
        .map(|(phase, name)| format!("{phase}:{name}"))
        .collect()
}

fn names(chain: &Chain) -> Vec<&str> {
    chain.names().collect()
}

#[tokio::test]
async fn larger_priority_runs_first_and_equal_ones_as_given() {
    let links = vec![
        Noting::new("low").link(1),
        Noting::new("high").link(9),
        Noting::new("mid-1").link(5),
        Noting::new("mid-2").link(5),
    ];
    let chain = Chain::new(links);
    assert_eq!(names(&chain), ["high", "mid-1", "mid-2", "low"]);
    let mut ctx = get("/");
    assert!(chain.rewrite(&mut ctx).await.is_none());
    assert!(chain.access(&mut ctx).await.is_none());
    let order: Vec<_> = ["rewrite", "access"]
        .iter()
        .flat_map(|phase| ["high", "mid-1", "mid-2", "low"].map(|name| format!("{phase}:{name}")))
        .collect();
    assert_eq!(notes(&ctx), order);
}

#[test]
fn meta_priority_sorts_anew() {
    let chain = Chain::new(vec![
        Noting::new("a").link(1),
        Noting::new("b").link_with(0, &json!({ "priority": 2 })),
        Noting::new("c").link_with(9, &json!({ "priority": -1 })),
    ]);
    assert_eq!(names(&chain), ["b", "a", "c"]);
}

#[tokio::test]
async fn only_phases_that_a_plugin_has_reach_it() {
    let rewriting = Noting {
        phases: Phases::REWRITE,
        ..Noting::new("r")
    };
    let chain = Chain::new(vec![rewriting.link(1)]);
    assert!(chain.has(Phases::REWRITE) && !chain.has(Phases::ACCESS | Phases::LOG));
    let mut ctx = get("/");
    assert!(chain.access(&mut ctx).await.is_none());
    assert!(chain.rewrite(&mut ctx).await.is_none());
    chain.chunk(&mut ctx, &mut Bytes::new(), true);
    assert_eq!(notes(&ctx), ["rewrite:r"]);
}

#[tokio::test]
async fn a_plugin_that_waits_is_awaited_before_the_next() {
    let chain = Chain::new(vec![
        Noting::ending("slow", Outcome::Wait).link(2),
        Noting::new("after").link(1),
    ]);
    let mut ctx = get("/");
    assert!(chain.access(&mut ctx).await.is_none());
    assert_eq!(notes(&ctx), ["access:slow", "waited:slow", "access:after"]);
}

#[tokio::test]
async fn an_answer_ends_the_phase() {
    for outcome in [Outcome::Respond(204), Outcome::Refuse(403)] {
        let chain = Chain::new(vec![
            Noting::ending("ends", outcome).link(2),
            Noting::new("never").link(1),
        ]);
        let mut ctx = get("/");
        let reply = chain.access(&mut ctx).await.unwrap();
        assert!(matches!(reply.status.as_u16(), 204 | 403));
        assert_eq!(notes(&ctx), ["access:ends"]);
    }
}

#[tokio::test]
async fn error_response_replaces_answers_and_refusals_of_its_plugin() {
    let meta = json!({ "error_response": { "error": "closed" } });
    for (outcome, replaced) in [
        (Outcome::Respond(200), false),
        (Outcome::Respond(400), true),
        (Outcome::Refuse(401), true),
    ] {
        let chain = Chain::new(vec![Noting::ending("p", outcome).link_with(1, &meta)]);
        let reply = chain.rewrite(&mut get("/")).await.unwrap();
        let ReplyBody::Full(body) = reply.body else {
            panic!("expected bytes at hand");
        };
        assert_eq!(&body[..] == br#"{"error":"closed"}"#, replaced);
    }
}

#[tokio::test]
async fn a_filter_is_judged_once_per_request() {
    let meta = json!({ "filter": [["arg_x", "==", "1"]] });
    let chain = Chain::new(vec![
        Noting::new("filtered").link_with(2, &meta),
        Noting::new("always").link(1),
    ]);
    let mut ctx = get("/?x=1");
    assert!(chain.rewrite(&mut ctx).await.is_none());
    ctx.request.uri = "/".parse().unwrap();
    assert!(chain.access(&mut ctx).await.is_none());
    assert_eq!(
        notes(&ctx),
        [
            "rewrite:filtered",
            "rewrite:always",
            "access:filtered",
            "access:always"
        ]
    );

    let mut ctx = get("/");
    assert!(chain.rewrite(&mut ctx).await.is_none());
    ctx.request.uri = "/?x=1".parse().unwrap();
    chain.chunk(&mut ctx, &mut Bytes::new(), false);
    assert_eq!(notes(&ctx), ["rewrite:always", "chunk:always"]);
}

#[tokio::test]
async fn a_filter_may_look_into_the_body() {
    let meta = json!({ "filter": [["post_arg.model", "==", "m1"]] });
    let chain = Chain::new(vec![Noting::new("p").link_with(1, &meta)]);
    let mut ctx = post("application/json", r#"{"model":"m1"}"#);
    assert!(chain.rewrite(&mut ctx).await.is_none());
    assert_eq!(notes(&ctx), ["rewrite:p"]);
    assert!(ctx.body.scanned().is_some());
}

#[test]
fn pieces_pass_through_plugins_in_order() {
    let chain = Chain::new(vec![Noting::new("b").link(1), Noting::new("a").link(2)]);
    let mut piece = Bytes::from_static(b"-");
    let mut ctx = get("/");
    chain.chunk(&mut ctx, &mut piece, false);
    assert_eq!(&piece[..], b"-ab");
    chain.head(&mut ctx, &mut StatusCode::default(), &mut HeaderMap::new());
    assert_eq!(notes(&ctx), ["chunk:a", "chunk:b", "head:a", "head:b"]);
}

#[test]
fn attempts_are_held_until_their_guards_drop() {
    let plugin = Noting::new("p");
    let held = plugin.held.clone();
    let chain = Chain::new(vec![plugin.link(1)]);
    let mut ctx = get("/");
    let first = chain.attempt(&mut ctx);
    let second = chain.attempt(&mut ctx);
    assert_eq!(held.load(Ordering::Relaxed), 2);
    drop(first);
    assert_eq!(held.load(Ordering::Relaxed), 1);
    drop(second);
    chain.log(&mut ctx);
    assert_eq!(held.load(Ordering::Relaxed), 100);
}

#[test]
fn wants_of_all_plugins_are_joined() {
    let text = Noting {
        want: Want::TEXT,
        ..Noting::new("text")
    };
    let chain = Chain::new(vec![text.link(1), Noting::new("none").link(2)]);
    assert!(chain.want().has(Want::TEXT) && !chain.want().has(Want::REQUEST));
    assert_eq!(Chain::default().want(), Want::NONE);
}
