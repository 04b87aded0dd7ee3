use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use plugin::{Living, Secret};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::account::ServiceAccount;
use super::{Gcp, GcpSettings, Policy, TokenError};

/// An RSA key in PKCS#8.
static KEY: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let der: Pkcs8V1Der<'_> = pair.as_der().expect("its encoding");
    der.as_ref().to_vec()
});

fn pem() -> String {
    let text = STANDARD.encode(&*KEY);
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

fn key_file(extra: &Value) -> Secret {
    let mut file = json!({ "client_email": "robot@project.example", "private_key": pem() });
    for (name, value) in extra.as_object().expect("an object") {
        file[name] = value.clone();
    }
    Secret::from(file.to_string())
}

/// A token endpoint whose answers the test gives one by one.
struct Endpoint {
    address: SocketAddr,
    asked: mpsc::Receiver<Asked>,
    server: JoinHandle<()>,
}

/// One request for a token.
struct Asked {
    text: String,
    answer: oneshot::Sender<String>,
}

impl Endpoint {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (sender, asked) = mpsc::channel(64);
        let server = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let sender = sender.clone();
                tokio::spawn(async move {
                    let mut text = Vec::new();
                    while !is_whole(&text) {
                        if stream.read_buf(&mut text).await.expect("bytes") == 0 {
                            return;
                        }
                    }
                    let text = String::from_utf8(text).expect("text");
                    let (answer, answered) = oneshot::channel();
                    sender.send(Asked { text, answer }).await.ok();
                    if let Ok(text) = answered.await {
                        stream.write_all(text.as_bytes()).await.ok();
                    }
                });
            }
        });
        Self {
            address,
            asked,
            server,
        }
    }

    fn settings(&self) -> GcpSettings {
        let uri = format!("http://{}/token", self.address);
        GcpSettings {
            account: Some(key_file(&json!({ "token_uri": uri }))),
            holder: String::new(),
            expire_early: Duration::from_mins(1),
            max_ttl: None,
        }
    }

    fn tokens(&self) -> Arc<Gcp> {
        Arc::new(Gcp::new(&self.settings(), &Living::default()))
    }

    async fn next(&mut self) -> Asked {
        self.asked.recv().await.expect("a request")
    }

    /// Gives `token` for an hour to the next who asks.
    async fn grant(&mut self, token: &str) {
        let answer = json!({ "access_token": token, "expires_in": 3600 });
        self.next().await.answer(200, &answer);
    }

    fn is_quiet(&mut self) -> bool {
        self.asked.try_recv().is_err()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Asked {
    fn answer(self, status: u16, body: &Value) {
        let body = body.to_string();
        let length = body.len();
        let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n\r\n");
        self.answer.send(head + &body).expect("somebody who waits");
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.parse::<usize>().ok())?
    });
    body.len() >= length.expect("a length")
}

type Call = JoinHandle<Result<String, TokenError>>;

/// Asks for the header of a request, in a task of its own.
fn call(tokens: &Arc<Gcp>) -> Call {
    let tokens = Arc::clone(tokens);
    tokio::spawn(async move { text(tokens.bearer().await) })
}

fn text(bearer: Result<http::HeaderValue, TokenError>) -> Result<String, TokenError> {
    bearer.map(|value| {
        assert!(value.is_sensitive());
        value.to_str().expect("text").to_owned()
    })
}

/// Lets time go by, without waiting for it and without the timers of sockets firing.
async fn later(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

fn part(token: &str, index: usize) -> Vec<u8> {
    let part = token.split('.').nth(index).expect("a part");
    URL_SAFE_NO_PAD.decode(part).expect("base64")
}

#[test]
fn the_assertion_is_signed_and_says_who_asks_whom_for_what() {
    let account = ServiceAccount::read(&key_file(&json!({ "scope": ["a", "b"] }))).expect("usable");
    let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let token = account.assertion(now).expect("a signature");
    let claims: Value = serde_json::from_slice(&part(&token, 1)).expect("claims");
    let expected = json!({
        "iss": "robot@project.example",
        "aud": "https://oauth2.googleapis.com/token",
        "scope": "a b",
        "iat": 1_700_000_000,
        "exp": 1_700_003_600,
    });
    assert_eq!(claims, expected);
    assert_eq!(part(&token, 0), br#"{"alg":"RS256","typ":"JWT"}"#);
    let (signed, _) = token.rsplit_once('.').expect("a signature");
    let pair = RsaKeyPair::from_pkcs8(&KEY).expect("the key");
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key())
        .verify(signed.as_bytes(), &part(&token, 2))
        .expect("the key's signature");

    for (scope, expected) in [
        (json!({}), "https://www.googleapis.com/auth/cloud-platform"),
        (json!({ "scope": "one two" }), "one two"),
    ] {
        let account = ServiceAccount::read(&key_file(&scope)).expect("usable");
        let token = account.assertion(now).expect("a signature");
        let claims: Value = serde_json::from_slice(&part(&token, 1)).expect("claims");
        assert_eq!(claims["scope"], expected);
    }
}

#[test]
fn a_key_file_that_cannot_be_used_is_told_without_its_content() {
    let told = |text: &str| {
        let error = ServiceAccount::read(&Secret::from(text.to_owned())).expect_err("a fault");
        error.to_string()
    };
    let shape =
        "gcp service account: expected a JSON object with the texts client_email and private_key";
    assert_eq!(told("[]"), shape);
    assert_eq!(told(r#"{"client_email": 7}"#), shape);
    let email = "gcp service account: client_email: expected the name of the account";
    assert_eq!(told("{}"), email);
    let key = "gcp service account: private_key: expected an RSA key of 2048 to 8192 bits in PEM";
    assert_eq!(told(r#"{"client_email": "a"}"#), key);
    assert_eq!(
        told(r#"{"client_email": "a", "private_key": "s3cret"}"#),
        key
    );
    let uri = "gcp service account: token_uri: expected a URL of http or https";
    assert_eq!(
        told(key_file(&json!({ "token_uri": "ftp://h/" })).expose()),
        uri
    );
}

#[test]
fn keys_are_not_printed() {
    let settings = GcpSettings {
        account: Some(key_file(&json!({}))),
        holder: "a".to_owned(),
        expire_early: Duration::ZERO,
        max_ttl: None,
    };
    let tokens = Gcp::new(&settings, &Living::default());
    let printed = format!("{settings:?} {tokens:?}");
    assert!(printed.contains("robot@project.example"));
    assert!(
        !printed.contains("PRIVATE KEY") && !printed.contains(&pem()[40..60]),
        "{printed}"
    );
}

#[test]
fn a_token_is_fresh_until_shortly_before_its_end_and_never_used_longer_than_wished() {
    let spans = |lifetime: u64, early: u64, most: Option<u64>| {
        let policy = Policy {
            expire_early: Duration::from_secs(early),
            max_ttl: most.map(Duration::from_secs),
        };
        let (fresh, valid) = policy.spans(Duration::from_secs(lifetime));
        (fresh.as_secs(), valid.as_secs())
    };
    assert_eq!(spans(3600, 60, None), (3540, 3600));
    assert_eq!(spans(3600, 0, None), (3600, 3600));
    assert_eq!(spans(3600, 60, Some(100)), (100, 100));
    assert_eq!(spans(3600, 60, Some(3550)), (3540, 3550));
    assert_eq!(spans(60, 60, None), (60, 60));
    assert_eq!(spans(30, 60, Some(100)), (30, 30));
}

#[test]
fn tokens_are_shared_by_those_with_the_same_account_policy_and_name() {
    let living = Living::default();
    let tokens = |holder: &str, early: u64, scope: &str| {
        let settings = GcpSettings {
            account: Some(key_file(&json!({ "scope": scope }))),
            holder: holder.to_owned(),
            expire_early: Duration::from_secs(early),
            max_ttl: None,
        };
        match Gcp::new(&settings, &living) {
            Gcp::Ready(tokens) => tokens,
            Gcp::Unusable(error) => panic!("{error}"),
        }
    };
    let first = tokens("a", 60, "x");
    assert!(Arc::ptr_eq(&first, &tokens("a", 60, "x")));
    for other in [
        tokens("b", 60, "x"),
        tokens("a", 61, "x"),
        tokens("a", 60, "y"),
    ] {
        assert!(!Arc::ptr_eq(&first, &other));
    }
}

#[tokio::test]
async fn a_token_is_asked_for_with_a_form() {
    let mut endpoint = Endpoint::open().await;
    let tokens = endpoint.tokens();
    let first = call(&tokens);
    let asked = endpoint.next().await;
    let (head, body) = asked.text.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("POST /token HTTP/1.1\r\n"), "{head}");
    assert!(
        head.contains("content-type: application/x-www-form-urlencoded"),
        "{head}"
    );
    let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    let assertion = body.strip_prefix(grant).expect("the grant type");
    let claims: Value = serde_json::from_slice(&part(assertion, 1)).expect("claims");
    assert_eq!(claims["aud"], format!("http://{}/token", endpoint.address));
    asked.answer(200, &json!({ "access_token": "t-1" }));
    assert_eq!(first.await.expect("an end"), Ok("Bearer t-1".to_owned()));
    // An hour is taken for granted.
    later(3539).await;
    assert_eq!(text(tokens.bearer().await), Ok("Bearer t-1".to_owned()));
    assert!(endpoint.is_quiet());
}

#[tokio::test]
async fn fifty_requests_ask_for_one_token() {
    let mut endpoint = Endpoint::open().await;
    let tokens = endpoint.tokens();
    let calls: Vec<_> = (0..50).map(|_| call(&tokens)).collect();
    endpoint.grant("t-1").await;
    for call in calls {
        assert_eq!(call.await.expect("an end"), Ok("Bearer t-1".to_owned()));
    }
    assert!(endpoint.is_quiet());
}

#[tokio::test]
async fn fifty_requests_share_one_failure_and_the_next_one_tries_again() {
    let mut endpoint = Endpoint::open().await;
    let tokens = endpoint.tokens();
    let calls: Vec<_> = (0..50).map(|_| call(&tokens)).collect();
    let refusal = json!({ "error": "invalid_grant", "error_description": "Invalid\nsignature" });
    let asked = endpoint.next().await;
    // Everybody is in the queue by then: whoever runs does so before the answer can be read.
    asked.answer(401, &refusal);
    for call in calls {
        let error = call.await.expect("an end").expect_err("a refusal");
        let told = "failed to get gcp access token: the token endpoint answered 401";
        assert_eq!(error.to_string(), told);
        assert_eq!(error.cause(), Some("invalid_grant: Invalid\\nsignature"));
    }
    assert!(endpoint.is_quiet());
    let again = call(&tokens);
    endpoint.grant("t-1").await;
    assert_eq!(again.await.expect("an end"), Ok("Bearer t-1".to_owned()));
}

#[tokio::test]
async fn the_old_token_serves_while_one_request_renews_it() {
    let mut endpoint = Endpoint::open().await;
    let tokens = endpoint.tokens();
    let first = call(&tokens);
    endpoint.grant("t-1").await;
    assert_eq!(first.await.expect("an end"), Ok("Bearer t-1".to_owned()));
    later(3541).await;
    let renewing = call(&tokens);
    let asked = endpoint.next().await;
    for _ in 0..3 {
        assert_eq!(text(tokens.bearer().await), Ok("Bearer t-1".to_owned()));
    }
    asked.answer(200, &json!({ "access_token": "t-2", "expires_in": 3600 }));
    assert_eq!(renewing.await.expect("an end"), Ok("Bearer t-2".to_owned()));
    assert_eq!(text(tokens.bearer().await), Ok("Bearer t-2".to_owned()));
    assert!(endpoint.is_quiet());
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_serves_to_its_end_and_no_longer() {
    let mut endpoint = Endpoint::open().await;
    let tokens = endpoint.tokens();
    let first = call(&tokens);
    endpoint.grant("t-1").await;
    assert_eq!(first.await.expect("an end"), Ok("Bearer t-1".to_owned()));
    later(3550).await;
    let renewing = call(&tokens);
    endpoint.next().await.answer(503, &json!({}));
    assert_eq!(renewing.await.expect("an end"), Ok("Bearer t-1".to_owned()));
    // Nobody tries again at once.
    assert_eq!(text(tokens.bearer().await), Ok("Bearer t-1".to_owned()));
    assert!(endpoint.is_quiet());
    later(6).await;
    let renewing = call(&tokens);
    endpoint.next().await.answer(503, &json!({}));
    assert_eq!(renewing.await.expect("an end"), Ok("Bearer t-1".to_owned()));
    later(60).await;
    let late = call(&tokens);
    endpoint.next().await.answer(503, &json!({}));
    assert!(late.await.expect("an end").is_err());
}

#[tokio::test]
async fn a_token_is_used_no_longer_than_max_ttl() {
    let mut endpoint = Endpoint::open().await;
    let settings = GcpSettings {
        max_ttl: Some(Duration::from_secs(100)),
        ..endpoint.settings()
    };
    let tokens = Arc::new(Gcp::new(&settings, &Living::default()));
    let first = call(&tokens);
    endpoint.grant("t-1").await;
    assert_eq!(first.await.expect("an end"), Ok("Bearer t-1".to_owned()));
    later(99).await;
    assert_eq!(text(tokens.bearer().await), Ok("Bearer t-1".to_owned()));
    later(2).await;
    let second = call(&tokens);
    endpoint.grant("t-2").await;
    assert_eq!(second.await.expect("an end"), Ok("Bearer t-2".to_owned()));
}

#[tokio::test]
async fn a_renewal_whose_request_is_given_up_is_taken_over_by_the_next() {
    let mut endpoint = Endpoint::open().await;
    let tokens = endpoint.tokens();
    let given_up = call(&tokens);
    let asked = endpoint.next().await;
    let waiting = call(&tokens);
    given_up.abort();
    endpoint.grant("t-2").await;
    assert_eq!(waiting.await.expect("an end"), Ok("Bearer t-2".to_owned()));
    drop(asked);
}

#[tokio::test]
async fn answers_that_are_no_tokens_are_told() {
    let mut endpoint = Endpoint::open().await;
    let tokens = endpoint.tokens();
    for (answer, told) in [
        (
            json!({ "expires_in": 5 }),
            "the token endpoint answered without access_token",
        ),
        (
            json!({ "access_token": "a\nb" }),
            "the token endpoint gave an access_token that no header can carry",
        ),
    ] {
        let call = call(&tokens);
        endpoint.next().await.answer(200, &answer);
        let error = call.await.expect("an end").expect_err("no token");
        assert_eq!(
            error.to_string(),
            format!("failed to get gcp access token: {told}")
        );
    }
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_and_an_account_that_is_missing_are_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let settings = |account| GcpSettings {
        account,
        holder: String::new(),
        expire_early: Duration::ZERO,
        max_ttl: None,
    };
    let uri = format!("http://{address}");
    let unreachable = settings(Some(key_file(&json!({ "token_uri": uri }))));
    let error = Gcp::new(&unreachable, &Living::default()).bearer().await;
    let told = format!(
        "failed to get gcp access token: the token endpoint {address}: cannot connect to the upstream"
    );
    assert_eq!(error.expect_err("no token").to_string(), told);

    let nobody = Gcp::new(&settings(None), &Living::default());
    let error = nobody.bearer().await.expect_err("no token");
    assert_eq!(nobody.lack(), Some(&error));
    let told = "failed to get gcp access token: no service account, expected \
                auth.gcp.service_account_json or the environment variable GCP_SERVICE_ACCOUNT";
    assert_eq!(error.to_string(), told);
}
