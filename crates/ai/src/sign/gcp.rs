//! Bearer tokens of a Google service account: asked for once, kept, renewed before they end.
//!
//! Source: apache/apisix `apisix/plugins/ai-providers/base.lua`, `apisix/utils/google-cloud-oauth.lua`.

mod account;
mod grant;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderValue;
use plugin::{Living, Secret};
use tokio::sync::Mutex;
use tokio::time::Instant;

use account::ServiceAccount;
use grant::Grant;

/// How long a token that could not be renewed, and is still valid, is used before the next try.
const PAUSE: Duration = Duration::from_secs(5);

/// What a configuration says of a service account.
#[derive(Debug)]
pub struct GcpSettings {
    /// The content of the key file; `None` when neither the configuration nor the environment has it.
    pub account: Option<Secret>,
    /// Who uses the tokens: nobody else shares them, not even with the same account. Empty for an
    /// instance without a name of its own.
    pub holder: String,
    /// How long before its end a token is renewed; not heeded by tokens that live shorter.
    pub expire_early: Duration,
    /// Longest time a token is used.
    pub max_ttl: Option<Duration>,
}

/// The tokens of an instance.
#[derive(Debug)]
pub(crate) enum Gcp {
    Ready(Arc<Tokens>),
    /// No request can have a token, for this reason.
    Unusable(TokenError),
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to get gcp access token: {why}")]
pub(crate) struct TokenError {
    why: Arc<str>,
    /// What only the operator's log should say.
    cause: Option<Arc<str>>,
}

/// The token of one account under one policy, shared by all snapshots.
#[derive(Debug)]
pub(crate) struct Tokens {
    account: ServiceAccount,
    policy: Policy,
    current: ArcSwapOption<Token>,
    /// How many renewals have come to an end.
    renewals: AtomicU64,
    /// Held by the one request that renews; how the last renewal failed.
    renewing: Mutex<Option<TokenError>>,
}

/// How long tokens are used.
#[derive(Clone, Copy, Debug)]
struct Policy {
    expire_early: Duration,
    max_ttl: Option<Duration>,
}

#[derive(Debug)]
struct Token {
    /// `Bearer …`
    header: HeaderValue,
    /// When it should be renewed.
    fresh_until: Instant,
    /// When it must not be used any more.
    valid_until: Instant,
}

// === impl Gcp ===

impl Gcp {
    /// The tokens that `settings` describe, taken over when a snapshot has them already.
    pub(crate) fn new(settings: &GcpSettings, living: &Living) -> Self {
        let Some(text) = &settings.account else {
            return Self::Unusable(TokenError::new(
                "no service account, expected auth.gcp.service_account_json or the environment \
                 variable GCP_SERVICE_ACCOUNT",
            ));
        };
        let policy = Policy {
            expire_early: settings.expire_early,
            max_ttl: settings.max_ttl,
        };
        let identity = identity(text, policy, &settings.holder);
        let make = || ServiceAccount::read(text).map(|account| Tokens::new(account, policy));
        match living.share(&identity, make) {
            Ok(tokens) => Self::Ready(tokens),
            Err(error) => Self::Unusable(TokenError::new(error.to_string())),
        }
    }

    /// Why no request can have a token.
    pub(crate) fn lack(&self) -> Option<&TokenError> {
        match self {
            Self::Ready(_) => None,
            Self::Unusable(error) => Some(error),
        }
    }

    /// The value of `Authorization` for a request that leaves at this moment.
    ///
    /// # Errors
    /// [`TokenError`].
    pub(crate) async fn bearer(&self) -> Result<HeaderValue, TokenError> {
        match self {
            Self::Ready(tokens) => tokens.bearer().await,
            Self::Unusable(error) => Err(error.clone()),
        }
    }
}

/// What tells tokens apart; the account itself cannot be read from it.
fn identity(account: &Secret, policy: Policy, holder: &str) -> String {
    let mut identity = String::from("gcp|");
    for byte in digest(&SHA256, account.expose().as_bytes()).as_ref() {
        let _ = write!(identity, "{byte:02x}");
    }
    let early = policy.expire_early.as_secs();
    let most = policy.max_ttl.map(|most| most.as_secs());
    format!("{identity}|{early}|{most:?}|{holder}")
}

// === impl TokenError ===

impl TokenError {
    fn new(why: impl Into<Arc<str>>) -> Self {
        Self {
            why: why.into(),
            cause: None,
        }
    }

    fn because(mut self, cause: impl Into<Arc<str>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// What only the operator's log should say.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }
}

// === impl Policy ===

impl Policy {
    /// For how long a token that lives for `lifetime` is fresh, and for how long it may be used.
    fn spans(self, lifetime: Duration) -> (Duration, Duration) {
        let valid = self.max_ttl.unwrap_or(lifetime).min(lifetime);
        // compat: apache/apisix keeps a token that lives shorter than expire_early_secs to its end
        let fresh = match lifetime.checked_sub(self.expire_early) {
            Some(fresh) if !fresh.is_zero() => fresh,
            _ => lifetime,
        };
        (fresh.min(valid), valid)
    }
}

// === impl Tokens ===

impl Tokens {
    fn new(account: ServiceAccount, policy: Policy) -> Self {
        Self {
            account,
            policy,
            current: ArcSwapOption::empty(),
            renewals: AtomicU64::new(0),
            renewing: Mutex::default(),
        }
    }

    /// The value of `Authorization`.
    ///
    /// While a token is fresh nobody waits and no lock is taken. Then one request renews it; the
    /// others use the old one while it is valid, and wait once it is not.
    async fn bearer(&self) -> Result<HeaderValue, TokenError> {
        // Read before the token, so that a renewal that ends in between is noticed.
        let renewals = self.renewals.load(Ordering::Acquire);
        let old = {
            let now = Instant::now();
            let current = self.current.load();
            match current.as_deref() {
                Some(token) if now < token.fresh_until => return Ok(token.header.clone()),
                Some(token) if now < token.valid_until => Some(token.header.clone()),
                _ => None,
            }
        };
        let Some(old) = old else {
            let mut last = self.renewing.lock().await;
            return self.renew(renewals, &mut last).await;
        };
        let Ok(mut last) = self.renewing.try_lock() else {
            return Ok(old);
        };
        self.renew(renewals, &mut last).await.or_else(|error| {
            self.postpone();
            tracing::warn!(
                account = self.account.email(),
                cause = error.cause(),
                "{error}; the old one is still valid and stays in use"
            );
            Ok(old)
        })
    }

    /// Asks for a token, unless somebody did since there had been `renewals`: then the outcome of
    /// that renewal, good or bad, is that of everybody who waited for it.
    async fn renew(
        &self,
        renewals: u64,
        last: &mut Option<TokenError>,
    ) -> Result<HeaderValue, TokenError> {
        if self.renewals.load(Ordering::Acquire) != renewals {
            if let Some(error) = last {
                return Err(error.clone());
            }
            let current = self.current.load();
            if let Some(token) = current.as_deref()
                && Instant::now() < token.valid_until
            {
                return Ok(token.header.clone());
            }
        }
        let start = Instant::now();
        let outcome = grant::ask(&self.account).await;
        *last = outcome.as_ref().err().cloned();
        let outcome = outcome.map(|grant| self.keep(grant, start));
        self.renewals.fetch_add(1, Ordering::Release);
        outcome
    }

    fn keep(&self, grant: Grant, start: Instant) -> HeaderValue {
        let (fresh, valid) = self.policy.spans(grant.lifetime);
        self.current.store(Some(Arc::new(Token {
            header: grant.header.clone(),
            fresh_until: start + fresh,
            valid_until: start + valid,
        })));
        grant.header
    }

    /// Lets the token count as fresh for a while, so that not every request tries to renew it.
    fn postpone(&self) {
        let current = self.current.load();
        if let Some(token) = current.as_deref() {
            let later = Instant::now() + PAUSE;
            self.current.store(Some(Arc::new(Token {
                header: token.header.clone(),
                fresh_until: later.min(token.valid_until),
                valid_until: token.valid_until,
            })));
        }
    }
}
