//! Plugins that make visible what the gateway does.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use plugin::{
    AuthPlugin, ConfigError, Ctx, End, Entry, Fault, Host, Phases, Plugin, Reply, ReplyBody, Say,
    Step, Whose, consumer_entry, entry,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::Notify;

pub(crate) static PLUGINS: &[Entry] = &[
    entry::<Mark>(),
    entry::<MarkToo>(),
    entry::<Prometheus>(),
    entry::<Answer>(),
    entry::<Panics>(),
    entry::<Witness>(),
    entry::<Suffix>(),
    entry::<ReadsBody>(),
    entry::<Refuses>(),
    consumer_entry::<Who>(),
];

const MARKS: HeaderName = HeaderName::from_static("x-marks");

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    /// What it adds.
    #[serde(default)]
    name: String,
}

fn add(headers: &mut HeaderMap, mark: &str) {
    let known = headers.get(MARKS).and_then(|value| value.to_str().ok());
    let all = known.map_or_else(|| mark.to_owned(), |known| format!("{known} {mark}"));
    headers.insert(MARKS, HeaderValue::from_str(&all).expect("a header value"));
}

/// Writes down each phase it sees: on the request, and from there on the reply.
macro_rules! marking {
    ($type:ident, $name:literal, $priority:literal) => {
        pub(crate) struct $type(String);

        impl $type {
            fn mark(&self, ctx: &mut Ctx, phase: &str) {
                add(&mut ctx.request.headers, &format!("{}.{phase}", self.0));
            }
        }

        impl Plugin for $type {
            const NAME: &'static str = $name;
            const PRIORITY: i32 = $priority;
            const PHASES: Phases = Phases::REWRITE
                .and(Phases::ACCESS)
                .and(Phases::BEFORE_PROXY)
                .and(Phases::HEAD);
            type Config = Named;

            fn compile(config: Named, _: &Host<'_>) -> Result<Self, ConfigError> {
                Ok(Self(config.name))
            }

            fn rewrite<'a>(&'a self, ctx: &'a mut Ctx) -> Step<'a> {
                self.mark(ctx, "rewrite");
                Step::NEXT
            }

            fn access<'a>(&'a self, ctx: &'a mut Ctx) -> Step<'a> {
                self.mark(ctx, "access");
                Step::NEXT
            }

            fn before_proxy<'a>(&'a self, ctx: &'a mut Ctx) -> Step<'a> {
                self.mark(ctx, "before");
                Step::NEXT
            }

            fn head(&self, ctx: &mut Ctx, _: &mut StatusCode, headers: &mut HeaderMap) {
                self.mark(ctx, "head");
                let marks = ctx.request.headers.get(MARKS).cloned();
                headers.extend(marks.map(|marks| (MARKS, marks)));
            }
        }
    };
}

marking!(Mark, "mark", 10);
marking!(MarkToo, "mark-too", 20);
marking!(Prometheus, "prometheus", 500);

/// Answers with a text.
pub(crate) struct Answer(Bytes);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswerConfig {
    /// What it answers.
    #[schemars(length(min = 1))]
    text: String,
}

impl Plugin for Answer {
    const NAME: &'static str = "answer";
    const PRIORITY: i32 = 1;
    const PHASES: Phases = Phases::BEFORE_PROXY;
    type Config = AnswerConfig;

    fn compile(config: AnswerConfig, _: &Host<'_>) -> Result<Self, ConfigError> {
        seen(&config.text).compiled.fetch_add(1, Ordering::Relaxed);
        Ok(Self(config.text.into()))
    }

    fn before_proxy<'a>(&'a self, ctx: &'a mut Ctx) -> Step<'a> {
        let mut reply = Reply::empty(StatusCode::OK);
        if let Some((_, value)) = ctx.params.first() {
            let value = HeaderValue::from_str(value).expect("a header value");
            reply.headers.insert("x-param", value);
        }
        let host = HeaderValue::from_str(&ctx.request.host).expect("a header value");
        reply.headers.insert("x-host", host);
        reply.body = ReplyBody::Full(self.0.clone());
        Step::respond(reply)
    }
}

/// Panics in the phase it is told.
pub(crate) struct Panics(String);

impl Panics {
    fn check(&self, phase: &str) {
        assert_ne!(self.0, phase, "wanted by the test");
    }
}

impl Plugin for Panics {
    const NAME: &'static str = "panics";
    const PRIORITY: i32 = 30;
    const PHASES: Phases = Phases::REWRITE
        .and(Phases::ACCESS)
        .and(Phases::HEAD)
        .and(Phases::CHUNK)
        .and(Phases::LOG);
    type Config = Named;

    fn compile(config: Named, _: &Host<'_>) -> Result<Self, ConfigError> {
        Ok(Self(config.name))
    }

    fn rewrite<'a>(&'a self, _: &'a mut Ctx) -> Step<'a> {
        self.check("rewrite");
        Step::NEXT
    }

    fn access<'a>(&'a self, _: &'a mut Ctx) -> Step<'a> {
        Step::wait(async {
            tokio::task::yield_now().await;
            self.check("access");
            Ok(plugin::Flow::Next)
        })
    }

    fn head(&self, _: &mut Ctx, _: &mut StatusCode, _: &mut HeaderMap) {
        self.check("head");
    }

    fn chunk(&self, _: &mut Ctx, _: &mut Bytes, _: bool) {
        self.check("chunk");
    }

    fn log(&self, _: &Ctx) {
        self.check("log");
    }
}

/// Remembers each log phase under its name.
pub(crate) struct Witness(Arc<Seen>);

/// What one witness saw.
#[derive(Default)]
pub(crate) struct Seen {
    ends: Mutex<Vec<Logged>>,
    compiled: AtomicUsize,
    more: Notify,
}

/// One log phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Logged {
    pub(crate) status: u16,
    pub(crate) end: End,
    pub(crate) bytes: u64,
    pub(crate) attempts: Vec<Option<u16>>,
}

static WITNESSES: Mutex<Option<HashMap<String, Arc<Seen>>>> = Mutex::new(None);

/// What the witness `name` sees.
pub(crate) fn seen(name: &str) -> Arc<Seen> {
    let mut all = WITNESSES.lock().unwrap_or_else(PoisonError::into_inner);
    let all = all.get_or_insert_default();
    Arc::clone(all.entry(name.to_owned()).or_default())
}

impl Seen {
    /// Waits for `count` log phases; there must be no more by then.
    pub(crate) async fn logged(&self, count: usize) -> Vec<Logged> {
        loop {
            let more = self.more.notified();
            let ends = self.now();
            if ends.len() >= count {
                assert_eq!(ends.len(), count, "logged too often");
                return ends;
            }
            more.await;
        }
    }

    /// How often an `answer` of this text was compiled.
    pub(crate) fn compiled(&self) -> usize {
        self.compiled.load(Ordering::Relaxed)
    }

    /// Those so far.
    pub(crate) fn now(&self) -> Vec<Logged> {
        self.ends
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Plugin for Witness {
    const NAME: &'static str = "witness";
    const PRIORITY: i32 = 5;
    const PHASES: Phases = Phases::LOG;
    type Config = Named;

    fn compile(config: Named, _: &Host<'_>) -> Result<Self, ConfigError> {
        Ok(Self(seen(&config.name)))
    }

    fn log(&self, ctx: &Ctx) {
        let logged = Logged {
            status: ctx.sent.status.map_or(0, |status| status.as_u16()),
            end: ctx.sent.end.expect("an end"),
            bytes: ctx.sent.bytes,
            attempts: ctx.attempts.iter().map(|attempt| attempt.status).collect(),
        };
        let mut ends = self.0.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.push(logged);
        self.0.more.notify_waiters();
        self.0.more.notify_one();
    }
}

/// Adds its name to the end of each body, and counts pieces in it.
pub(crate) struct Suffix(String);

impl Plugin for Suffix {
    const NAME: &'static str = "suffix";
    const PRIORITY: i32 = 3;
    const PHASES: Phases = Phases::CHUNK;
    type Config = Named;

    fn compile(config: Named, _: &Host<'_>) -> Result<Self, ConfigError> {
        Ok(Self(config.name))
    }

    fn chunk(&self, _: &mut Ctx, piece: &mut Bytes, last: bool) {
        if last {
            assert!(piece.is_empty(), "the last call comes after all bytes");
            *piece = Bytes::from(self.0.clone());
        }
    }
}

/// Answers with the request's body.
pub(crate) struct ReadsBody;

impl Plugin for ReadsBody {
    const NAME: &'static str = "reads-body";
    const PRIORITY: i32 = 2;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Named;

    fn compile(_: Named, _: &Host<'_>) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    fn access<'a>(&'a self, ctx: &'a mut Ctx) -> Step<'a> {
        Step::wait(async {
            let body = ctx.body.read(1024 * 1024).await.map_err(|error| {
                let status = match error {
                    plugin::BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                    plugin::BodyError::Stalled(_) => StatusCode::REQUEST_TIMEOUT,
                    _ => StatusCode::BAD_REQUEST,
                };
                Fault::new(Whose::Client, status, Say::Text(error.to_string()))
            })?;
            let mut reply = Reply::empty(StatusCode::OK);
            reply.body = ReplyBody::Full(body);
            Ok(plugin::Flow::Respond(Box::new(reply)))
        })
    }
}

/// Refuses in the access phase.
pub(crate) struct Refuses;

impl Plugin for Refuses {
    const NAME: &'static str = "refuses";
    const PRIORITY: i32 = 15;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Named;

    fn compile(_: Named, _: &Host<'_>) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    fn access<'a>(&'a self, _: &'a mut Ctx) -> Step<'a> {
        let say = Say::Message("no".to_owned());
        Step::refuse(Fault::new(Whose::Client, StatusCode::FORBIDDEN, say))
    }
}

/// Recognises the consumer named by the key in `Authorization`.
pub(crate) struct Who;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhoConsumer {
    /// The key.
    key: String,
}

impl Plugin for Who {
    const NAME: &'static str = "who";
    const PRIORITY: i32 = 2500;
    const PHASES: Phases = Phases::REWRITE;
    type Config = Named;

    fn compile(_: Named, _: &Host<'_>) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    fn rewrite<'a>(&'a self, ctx: &'a mut Ctx) -> Step<'a> {
        let key = ctx.request.headers.get(header::AUTHORIZATION);
        let key = key.and_then(|key| key.to_str().ok()).unwrap_or_default();
        ctx.consumer = ctx.consumers.find(Self::NAME, key).cloned();
        if ctx.consumer.is_some() {
            return Step::NEXT;
        }
        let say = Say::Message("who are you".to_owned());
        Step::refuse(Fault::new(Whose::Client, StatusCode::UNAUTHORIZED, say))
    }
}

impl AuthPlugin for Who {
    type Consumer = WhoConsumer;

    fn credential(consumer: &WhoConsumer) -> String {
        consumer.key.clone()
    }
}
