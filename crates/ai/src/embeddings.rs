//! How like a text is to others, as an embeddings server sees them.
//!
//! Source: apache/apisix `apisix/plugins/ai-proxy-multi.lua`, `semantic_opts`.

mod answer;
mod references;
#[cfg(test)]
mod tests;
mod vector;

use std::convert::Infallible;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use llm::{Dialect, Place, Provider};
use net::{NetError, Origin, OriginSettings, RequestBody, Timeouts};
use plugin::{Living, Secret};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use crate::endpoint::{Endpoint, EndpointError};
use crate::instance::{InstanceError, headers};
use crate::query::{argument, arguments, joined};
use crate::record::Chain;
use references::References;
use vector::Vector;

/// What is read of an answer for each text that was sent, in bytes: some thousand numbers, each on a
/// line of its own.
const LARGEST_EACH: usize = 256 * 1024;
/// What is read of an answer besides, in bytes.
const LARGEST_REST: usize = 64 * 1024;

/// What a configuration says of an embeddings server, as plain values.
pub struct EmbeddingsSettings {
    /// Who is spoken to.
    pub provider: &'static Provider,
    /// The model that is asked for, where the provider wants to be told.
    pub model: String,
    /// The URL that is asked. Without a path the provider's own is used.
    pub endpoint: Option<String>,
    /// Headers that authenticate: name and value.
    pub headers: Vec<(String, Secret)>,
    /// Query arguments that authenticate: name and value. The URL's own win over them.
    pub query: Vec<(String, Secret)>,
    /// How long judging one text may take in all.
    pub timeout: Duration,
    /// Whether the server's certificate is checked.
    pub verify: bool,
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddingsSettingsError {
    /// The URL cannot be asked.
    #[error("{0}")]
    Endpoint(#[from] EndpointError),
    /// The URL's host cannot be used.
    #[error("{0}")]
    Origin(#[from] NetError),
    /// There is no URL, and the provider has none of its own; or no request can carry its path.
    #[error("expected a URL with a path that a request can carry")]
    Target,
    /// A header cannot be sent.
    #[error("{0}")]
    Header(#[from] InstanceError),
}

/// Why there are no vectors. Nothing that the server said is repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmbeddingsError {
    /// The time was over.
    #[error("the embeddings server took too long")]
    Late,
    /// There was no answer.
    #[error("the embeddings server was not reached: {0}")]
    Unreached(Arc<str>),
    /// The answer was a refusal.
    #[error("the embeddings server answered {0}")]
    Refused(StatusCode),
    /// The answer cannot be used.
    #[error("the embeddings server answered what cannot be used: {0}")]
    Unusable(&'static str),
}

/// Judges how like a text is to groups of examples.
#[derive(Debug)]
pub struct Likeness {
    embedder: Embedder,
    references: Arc<References>,
    timeout: Duration,
}

/// An embeddings server, ready to be asked.
struct Embedder {
    origin: Arc<Origin>,
    target: PathAndQuery,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// `None` where the URL tells the model.
    model: Option<String>,
    timeout: Duration,
}

/// The body of a request for vectors.
#[derive(Serialize)]
struct Wish<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    input: &'a [&'a str],
}

// === impl Likeness ===

impl Likeness {
    /// Judges by `groups` of examples. Their vectors are asked for when they are first needed, and
    /// shared with every other judge of the same examples.
    ///
    /// # Errors
    /// [`EmbeddingsSettingsError`] tells which setting cannot be used.
    pub fn new(
        settings: EmbeddingsSettings,
        groups: Vec<Vec<String>>,
        living: &Living,
    ) -> Result<Self, EmbeddingsSettingsError> {
        let timeout = settings.timeout;
        let embedder = Embedder::new(settings, living)?;
        let identity = embedder.identity(&groups);
        let Ok(references) =
            living.share(&identity, || Ok::<_, Infallible>(References::new(groups)));
        Ok(Self {
            embedder,
            references,
            timeout,
        })
    }

    /// How like `text` is to each group: the cosine of the angle to the most alike of its examples.
    ///
    /// Waits no longer than the configured timeout, whatever has to be asked for first.
    ///
    /// # Errors
    /// [`EmbeddingsError`].
    pub async fn scores(&self, text: &str) -> Result<Vec<f64>, EmbeddingsError> {
        let deadline = Instant::now() + self.timeout;
        let references = self.references.vectors(&self.embedder, deadline).await?;
        let vectors = self.embedder.embed(&[text], deadline).await?;
        let Some(vector) = vectors.first() else {
            return Err(EmbeddingsError::Unusable("no vector"));
        };
        let scores = references.groups().map(|group| best(vector, group));
        scores
            .collect::<Option<_>>()
            .ok_or(EmbeddingsError::Unusable("vectors of different lengths"))
    }
}

/// The likeness to the most alike one; `None` when one of them has another length.
fn best(vector: &Vector, group: &[Vector]) -> Option<f64> {
    let mut best = f64::NEG_INFINITY;
    for example in group {
        best = best.max(vector.cosine(example)?);
    }
    Some(best)
}

// === impl Embedder ===

impl Embedder {
    fn new(settings: EmbeddingsSettings, living: &Living) -> Result<Self, EmbeddingsSettingsError> {
        let EmbeddingsSettings {
            provider,
            verify,
            timeout,
            ..
        } = settings;
        let own = || {
            Some(format!(
                "https://{}",
                provider.origin.host(&Place::default())?
            ))
        };
        let url = settings.endpoint.or_else(own);
        let url = url.ok_or(EmbeddingsSettingsError::Target)?;
        let endpoint = Endpoint::parse(&url)?;
        let target = target(provider, &endpoint, &settings.query)?;
        let Endpoint {
            scheme, host, port, ..
        } = endpoint;
        let identity = format!("embeddings|{scheme:?}|{host}|{port}|{verify}");
        let mut of_origin = OriginSettings::new(scheme, host, port);
        of_origin.verify = verify;
        Ok(Self {
            origin: living.share(&identity, || Origin::new(of_origin))?,
            target,
            headers: headers(&settings.headers)?,
            model: (!provider.remove_model).then_some(settings.model),
            timeout,
        })
    }

    /// What makes the vectors of two sets of examples the same. Credentials are in it as a checksum
    /// only.
    fn identity(&self, groups: &[Vec<String>]) -> String {
        let mut hasher = DefaultHasher::new();
        for (name, value) in &self.headers {
            (name.as_str(), value.as_bytes()).hash(&mut hasher);
        }
        self.target.as_str().hash(&mut hasher);
        let (origin, model) = (&self.origin, &self.model);
        let credentials = hasher.finish();
        format!("{origin:?} {model:?} {credentials:016x} {groups:?}")
    }

    /// The vectors of `texts`, in their order.
    ///
    /// # Errors
    /// [`EmbeddingsError`].
    async fn embed(
        &self,
        texts: &[&str],
        deadline: Instant,
    ) -> Result<Vec<Vector>, EmbeddingsError> {
        let wish = Wish {
            model: self.model.as_deref(),
            input: texts,
        };
        let wish = serde_json::to_vec(&wish);
        let wish = wish.map_err(|_| EmbeddingsError::Unusable("texts that no JSON can carry"))?;
        let largest = LARGEST_EACH.saturating_mul(texts.len()) + LARGEST_REST;
        let call = async {
            let timeouts = Timeouts::all(self.timeout);
            let answer = self.origin.send(self.request(wish.into()), timeouts);
            let answer = answer.await.map_err(|error| unreached(&error))?;
            if answer.head.status != StatusCode::OK {
                return Err(EmbeddingsError::Refused(answer.head.status));
            }
            let body = answer.body.read_whole(largest).await;
            let body = body.map_err(|error| unreached(&error))?;
            body.ok_or(EmbeddingsError::Unusable("more bytes than vectors need"))
        };
        let body = timeout_at(deadline, call).await;
        let body = body.unwrap_or(Err(EmbeddingsError::Late))?;
        answer::vectors(&body, texts.len()).map_err(EmbeddingsError::Unusable)
    }

    fn request(&self, wish: Bytes) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::Full(wish));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from(self.target.clone());
        let headers = request.headers_mut();
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json.clone());
        headers.insert(header::ACCEPT, json);
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        request
    }
}

// Written by hand: the target may hold credentials.
impl fmt::Debug for Embedder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Embedder")
            .field("origin", &self.origin)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

/// Path and query that are asked: those of the URL, and the arguments that it does not have.
fn target(
    provider: &Provider,
    endpoint: &Endpoint,
    query: &[(String, Secret)],
) -> Result<PathAndQuery, EmbeddingsSettingsError> {
    let own_path = || {
        let mut abilities = provider.speaks.iter();
        let ability = abilities.find(|ability| ability.dialect == Dialect::OpenAiEmbeddings);
        ability.map(|ability| ability.path)
    };
    let path = endpoint.path.as_deref().filter(|path| *path != "/");
    let path = path.or_else(own_path);
    let path = path.ok_or(EmbeddingsSettingsError::Target)?;
    let own: Vec<_> = arguments(endpoint.query.as_deref().unwrap_or_default()).collect();
    let added = query.iter();
    let added = added.map(|(name, value)| argument(name, value.expose()));
    let added: Vec<_> = added
        .filter(|added| own.iter().all(|own| own.name != added.name))
        .collect();
    let texts = added.iter().chain(&own).map(|argument| &*argument.text);
    PathAndQuery::try_from(joined(path, texts)).map_err(|_| EmbeddingsSettingsError::Target)
}

fn unreached(error: &NetError) -> EmbeddingsError {
    EmbeddingsError::Unreached(Chain(error).to_string().into())
}
