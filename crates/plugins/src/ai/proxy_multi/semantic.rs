//! Which instances a prompt is meant for, by its likeness to their examples.
//!
//! Source: apache/apisix `apisix/plugins/ai-proxy-multi.lua`, `semantic`.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ai::{EmbeddingsSettings, EmbeddingsSettingsError, Likeness};
use http::{HeaderName, HeaderValue};
use llm::{Provider, Ranking};
use plugin::{ConfigError, Ctx, Fault, Host, Reply};
use tracing::Level;

use super::config::{Algorithm, Config, Embeddings};

/// Likeness of the prompt to each instance, in the order of the choice.
const SCORES: HeaderName = HeaderName::from_static("x-ai-semantic-scores");
/// The instance that was chosen for its likeness, or `fallback`.
const PICKED: HeaderName = HeaderName::from_static("x-ai-semantic-picked-instance");
/// The most of a prompt that is looked at, in bytes.
const LONGEST_PROMPT: usize = 16_384;

/// How instances are ranked for a prompt.
#[derive(Debug)]
pub(super) struct Semantic {
    /// `None` while a reference to a secret, without which nobody can be asked, has no value.
    likeness: Option<Likeness>,
    rules: Rules,
    is_debugging: bool,
    resource: Box<str>,
    /// Whether it was told that prompts come that fit nobody.
    is_misfit_told: AtomicBool,
}

/// Which scores are good enough.
#[derive(Debug)]
struct Rules {
    names: Box<[Arc<str>]>,
    /// The least score with which an instance is chosen.
    thresholds: Box<[f64]>,
    /// Who is asked when no score is good enough.
    fallback: usize,
}

/// What a reply tells of the choice.
pub(super) type Told = Option<[(HeaderName, HeaderValue); 2]>;

// === impl Semantic ===

impl Semantic {
    /// Prepares the ranking; `None` when instances are chosen otherwise.
    ///
    /// # Errors
    /// When the embeddings server cannot be asked as configured.
    pub(super) fn new(config: &Config, host: &Host<'_>) -> Result<Option<Self>, ConfigError> {
        let (Algorithm::Semantic, Some(options)) =
            (config.balancer.algorithm, &config.semantic_opts)
        else {
            return Ok(None);
        };
        let likeness = if options.embeddings.lack_a_value() {
            None
        } else {
            Some(likeness(config, &options.embeddings, host)?)
        };
        Ok(Some(Self {
            likeness,
            rules: Rules::new(config, options.threshold.unwrap_or_default()),
            is_debugging: options.debugging,
            resource: host.resource.into(),
            is_misfit_told: AtomicBool::new(false),
        }))
    }

    /// Ranks the instances for this request. Whatever goes wrong, there is a ranking afterwards.
    pub(super) async fn rank(&self, ctx: &mut Ctx) {
        let scores = if let Some(prompt) = prompt(ctx) {
            self.scores(&prompt).await
        } else {
            let resource = &*self.resource;
            tracing::debug!(resource, "no text to choose by, the fallback is asked");
            None
        };
        let ranking = self.rules.rank(scores.as_deref());
        if ranking.fitting == 0 && scores.is_some() {
            self.tell_misfit(ctx, &ranking);
        }
        if let Some(exchange) = &mut ctx.exchange {
            exchange.ranking = Some(Box::new(ranking));
        }
    }

    /// Tells that no instance fits: the operator once, since clients may ask for something else as often
    /// as they like.
    fn tell_misfit(&self, ctx: &Ctx, ranking: &Ranking) {
        const WHAT: &str = "no instance fits the prompt, the fallback is asked";
        let (resource, request_id) = (&*self.resource, &*ctx.request.id);
        if self.is_misfit_told.swap(true, Ordering::Relaxed) {
            let scores = tracing::enabled!(Level::DEBUG).then(|| self.rules.listed(ranking));
            tracing::debug!(resource, request_id, scores, "{WHAT}");
        } else {
            let scores = self.rules.listed(ranking);
            tracing::warn!(resource, request_id, scores, "{WHAT}");
        }
    }

    /// What the reply tells of the choice of `first`: nothing when nobody wants to know, or when
    /// there were no scores.
    pub(super) fn told(&self, ctx: &Ctx, first: &str) -> Told {
        let ranking = ctx.exchange.as_ref()?.ranking.as_deref()?;
        if !self.is_debugging || ranking.scores.is_empty() {
            return None;
        }
        let value = |text: &str| HeaderValue::from_bytes(text.as_bytes()).ok();
        let mut fitting = ranking.order.iter().take(ranking.fitting);
        let is_fitting = fitting.any(|index| self.rules.name(*index) == first);
        let picked = if is_fitting { first } else { "fallback" };
        let scores = self.rules.listed(ranking);
        Some([(SCORES, value(&scores)?), (PICKED, value(picked)?)])
    }

    async fn scores(&self, prompt: &str) -> Option<Vec<f64>> {
        let Some(likeness) = &self.likeness else {
            let resource = &*self.resource;
            tracing::debug!(
                resource,
                "a secret for the embeddings server has no value, the fallback is asked"
            );
            return None;
        };
        let scores = likeness.scores(prompt).await;
        let warn = |error| {
            let resource = &*self.resource;
            tracing::warn!(resource, "{error}; the fallback is asked");
        };
        scores.map_err(warn).ok()
    }
}

/// Puts what is told of the choice into the answer, whatever it is.
pub(super) fn tell(told: Told, outcome: Result<Reply, Fault>) -> Result<Reply, Fault> {
    let told = told.into_iter().flatten();
    match outcome {
        Ok(mut reply) => {
            reply.headers.extend(told);
            Ok(reply)
        }
        Err(fault) => Err(told.fold(fault, |fault, (name, value)| fault.header(name, value))),
    }
}

/// What the user said last, as far as it is looked at.
fn prompt(ctx: &Ctx) -> Option<String> {
    let dialect = ctx.exchange.as_ref()?.dialect;
    let mut text = dialect.protocol().last_user_text(ctx.body.scanned()?)?;
    text.truncate(text.floor_char_boundary(LONGEST_PROMPT));
    Some(text)
}

fn likeness(
    config: &Config,
    embeddings: &Embeddings,
    host: &Host<'_>,
) -> Result<Likeness, ConfigError> {
    let settings = settings(embeddings).map_err(|error| placed(&error))?;
    let instances = config.instances.iter();
    let examples = instances.map(|instance| instance.examples.clone().unwrap_or_default());
    let likeness = Likeness::new(settings, examples.collect(), host.living);
    likeness.map_err(|error| placed(&error))
}

fn settings(embeddings: &Embeddings) -> Result<EmbeddingsSettings, EmbeddingsSettingsError> {
    let provider = Provider::find(embeddings.provider.name());
    Ok(EmbeddingsSettings {
        provider: provider.ok_or(EmbeddingsSettingsError::Target)?,
        model: embeddings.model.clone(),
        endpoint: embeddings.endpoint.clone(),
        headers: embeddings.auth.header.pairs(),
        query: embeddings.auth.query.pairs(),
        timeout: Duration::from_millis(embeddings.timeout),
        verify: embeddings.ssl_verify,
    })
}

fn placed(error: &EmbeddingsSettingsError) -> ConfigError {
    match error {
        EmbeddingsSettingsError::Header(_) => ConfigError::at(
            "/semantic_opts/embeddings/auth/header",
            format!("semantic_opts.embeddings.{error}"),
        ),
        _ => ConfigError::at(
            "/semantic_opts/embeddings/endpoint",
            format!("invalid `semantic_opts.embeddings.endpoint`: {error}"),
        ),
    }
}

// === impl Rules ===

impl Rules {
    fn new(config: &Config, threshold: f64) -> Self {
        let instances = &config.instances;
        let options = config.semantic_opts.as_ref();
        let fallback = options.and_then(|options| options.fallback.as_deref());
        let is_fallback = |name: &str| fallback == Some(name);
        Self {
            names: instances
                .iter()
                .map(|one| one.name.as_str().into())
                .collect(),
            thresholds: instances
                .iter()
                .map(|one| one.threshold.unwrap_or(threshold))
                .collect(),
            fallback: instances
                .iter()
                .position(|one| is_fallback(&one.name))
                .unwrap_or_default(),
        }
    }

    /// Those with a score that is good enough come first, then the fallback, then the others; by
    /// their scores, or as they are configured where there are none.
    fn rank(&self, scores: Option<&[f64]>) -> Ranking {
        let scores = scores.unwrap_or_default().iter().copied();
        let mut scores: Vec<_> = scores.enumerate().collect();
        scores.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        let is_enough = |index: usize, score: f64| {
            let threshold = self.thresholds.get(index);
            threshold.is_some_and(|threshold| score >= *threshold)
        };
        let fitting = scores
            .iter()
            .filter(|(index, score)| is_enough(*index, *score));
        let mut order: Vec<_> = fitting.map(|(index, _)| *index).collect();
        let fitting = order.len();
        let others = scores.iter().map(|(index, _)| *index);
        for index in [self.fallback]
            .into_iter()
            .chain(others)
            .chain(0..self.names.len())
        {
            if !order.contains(&index) {
                order.push(index);
            }
        }
        Ranking {
            order,
            fitting,
            scores,
        }
    }

    fn name(&self, index: usize) -> &str {
        self.names.get(index).map_or("", |name| name)
    }

    /// The scores as `name:0.1234`, the best one first.
    fn listed(&self, ranking: &Ranking) -> String {
        let mut text = String::new();
        for (index, score) in &ranking.scores {
            let comma = if text.is_empty() { "" } else { "," };
            _ = write!(text, "{comma}{}:{score:.4}", self.name(*index));
        }
        text
    }
}
