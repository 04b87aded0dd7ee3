use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::Room;
use crate::sample::get;
use crate::{
    Chain, Ctx, Entry, Environment, Fault, Host, Link, Living, Meta, Phases, Plugin, Say, Whose,
    entry,
};

/// A plugin with a limit for one instance, named in its configuration; `lost` cannot tell.
struct Stinting(String);

impl Plugin for Stinting {
    const NAME: &'static str = "stinting";
    const PRIORITY: i32 = 1;
    const PHASES: Phases = Phases::ROOM;
    type Config = Value;

    fn compile(config: Value, _host: &Host<'_>) -> Result<Self, crate::ConfigError> {
        let name = config["used_up"].as_str().unwrap_or_default();
        Ok(Self(name.to_owned()))
    }

    fn room<'a>(&'a self, _ctx: &'a mut Ctx, instance: &'a str) -> Room<'a> {
        if instance == "lost" {
            let say = Say::ErrorMsg("nobody knows".to_owned());
            return Room::Done(Err(Fault::new(
                Whose::Gateway,
                StatusCode::INTERNAL_SERVER_ERROR,
                say,
            )));
        }
        Room::wait(async move {
            tokio::task::yield_now().await;
            Ok(instance != self.0)
        })
    }
}

fn link(used_up: &str, meta: &Value) -> Link {
    let row: Entry = entry::<Stinting>();
    let (living, metrics) = (Living::default(), telemetry::metrics::Metrics::default());
    let host = Host {
        living: &living,
        metrics: &metrics,
        environment: &Environment::default(),
        attributes: None,
        metadata: None,
        resource: "/routes/1",
    };
    let plugin = (row.compile)(&json!({ "used_up": used_up }), &host).unwrap();
    Link::new(
        plugin,
        row.priority,
        Meta::read(&json!({ "_meta": meta })).unwrap(),
    )
}

fn asked(chains: Vec<Vec<Link>>) -> Ctx {
    let mut ctx = get("/");
    ctx.chains = chains
        .into_iter()
        .map(|links| Arc::new(Chain::new(links)))
        .collect();
    ctx
}

#[tokio::test]
async fn a_limit_of_any_chain_closes_an_instance() {
    let mut ctx = asked(vec![
        vec![link("a", &json!({}))],
        vec![link("b", &json!({}))],
    ]);
    assert!(!ctx.has_room("a").await.unwrap());
    assert!(!ctx.has_room("b").await.unwrap());
    assert!(ctx.has_room("c").await.unwrap());
    let exhausted = ctx.budget.unwrap().exhausted;
    assert_eq!(exhausted, ["a".into(), "b".into()] as [Arc<str>; 2]);
}

#[tokio::test]
async fn without_a_plugin_there_is_room() {
    let mut ctx = asked(vec![vec![]]);
    assert!(ctx.has_room("a").await.unwrap());
    assert!(ctx.budget.is_none());
}

#[tokio::test]
async fn a_plugin_that_is_filtered_out_is_not_asked() {
    let meta = json!({ "filter": [["arg_x", "==", "1"]] });
    let mut ctx = asked(vec![vec![link("a", &meta)]]);
    assert!(ctx.has_room("a").await.unwrap());
}

#[tokio::test]
async fn whoever_cannot_tell_says_why() {
    let mut ctx = asked(vec![vec![link("a", &json!({}))]]);
    let fault = ctx.has_room("lost").await.unwrap_err();
    assert_eq!(fault.to_string(), "nobody knows");
}
