//! TLS to real servers with certificates made for the occasion.

use std::{sync::Arc, time::Duration};

use http::{Request, Version};
use net::{
    NetError, Origin, OriginSettings, Peer, Peers, Phase, Scheme, Timeouts,
    dns::System,
    health::{Health, Probe, ProbeKind, Prober},
    tls::{Certificate, CertificateTable, ClientTls, Pem, SniResolver, Trust, server_config},
};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::health::probe;
use crate::stage::{PATIENT, Stage, get, text};

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// A certificate that vouches for itself, as PEM and loaded.
struct Made {
    pem: String,
    key: String,
    certificate: Certificate,
}

impl Made {
    fn new(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let pem = made.cert.pem();
        let key = made.signing_key.serialize_pem();
        let certificate = Certificate::load(&Pem::text(&pem), &Pem::text(&key)).unwrap();
        Self {
            pem,
            key,
            certificate,
        }
    }

    fn trusted(&self) -> ClientTls {
        let trust = Trust::webpki().with(&Pem::text(&self.pem)).unwrap();
        ClientTls::trusting(&trust).unwrap()
    }
}

/// What was agreed on, and the connection.
struct Greeted {
    name: Option<String>,
    protocol: Vec<u8>,
    _stream: TlsStream<TcpStream>,
}

/// Shakes hands and answers one request.
async fn greet(stage: &Stage, resolver: &Arc<SniResolver>) -> Option<Greeted> {
    let config = server_config(Arc::clone(resolver), true).unwrap();
    let actor = stage.next().await;
    let mut stream = TlsAcceptor::from(config).accept(actor.stream).await.ok()?;
    let session = stream.get_ref().1;
    let name = session.server_name().map(str::to_owned);
    let protocol = session.alpn_protocol().unwrap_or_default().to_vec();
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") {
        tokio::io::AsyncReadExt::read_buf(&mut stream, &mut heard)
            .await
            .ok()?;
    }
    stream.write_all(HELLO).await.unwrap();
    stream.flush().await.unwrap();
    Some(Greeted {
        name,
        protocol,
        _stream: stream,
    })
}

fn settings(stage: &Stage, name: &str) -> OriginSettings {
    let mut settings = OriginSettings::new(Scheme::Https, Arc::from("127.0.0.1"), stage.port);
    settings.server_name = Some(Arc::from(name));
    settings
}

fn single(made: &Made) -> Arc<SniResolver> {
    Arc::new(SniResolver::new(CertificateTable::single(
        made.certificate.clone(),
    )))
}

#[tokio::test]
async fn trusted_certificate_with_the_right_name_is_accepted() {
    let (stage, made) = (Stage::open().await, Made::new("api.test"));
    let mut settings = settings(&stage, "api.test");
    settings.tls = Some(made.trusted());
    let origin = Origin::new(settings).unwrap();
    let resolver = single(&made);
    let (answer, agreed) = tokio::join!(origin.send(get(), PATIENT), greet(&stage, &resolver));
    let answer = answer.unwrap();
    assert_eq!(answer.head.version, Version::HTTP_11);
    assert_eq!(text(answer).await.unwrap(), "hello");
    let agreed = agreed.unwrap();
    assert_eq!(agreed.name.as_deref(), Some("api.test"));
    assert_eq!(agreed.protocol, b"http/1.1");
}

#[tokio::test]
async fn unknown_certificate_is_refused_by_default() {
    let (stage, made) = (Stage::open().await, Made::new("api.test"));
    let origin = Origin::new(settings(&stage, "api.test")).unwrap();
    let resolver = single(&made);
    let (answer, served) = tokio::join!(origin.send(get(), PATIENT), greet(&stage, &resolver));
    let error = answer.unwrap_err();
    assert!(matches!(error, NetError::Tls(_)), "{error:?}");
    assert!(!error.is_timeout());
    assert!(served.is_none());
}

#[tokio::test]
async fn trusted_certificate_with_another_name_is_refused() {
    let (stage, made) = (Stage::open().await, Made::new("api.test"));
    let mut settings = settings(&stage, "other.test");
    settings.tls = Some(made.trusted());
    let origin = Origin::new(settings).unwrap();
    let resolver = single(&made);
    let (answer, served) = tokio::join!(origin.send(get(), PATIENT), greet(&stage, &resolver));
    assert!(matches!(answer.unwrap_err(), NetError::Tls(_)));
    assert!(served.is_none());
}

#[tokio::test]
async fn anything_is_accepted_without_verification() {
    let (stage, made) = (Stage::open().await, Made::new("api.test"));
    let mut settings = settings(&stage, "other.test");
    settings.verify = false;
    let origin = Origin::new(settings).unwrap();
    let resolver = single(&made);
    let (answer, _greeted) = tokio::join!(origin.send(get(), PATIENT), greet(&stage, &resolver));
    assert_eq!(text(answer.unwrap()).await.unwrap(), "hello");
    assert_eq!(origin.idle_connections(), 1);
}

#[tokio::test]
async fn certificate_table_can_be_exchanged_between_handshakes() {
    let (stage, old, new) = (
        Stage::open().await,
        Made::new("api.test"),
        Made::new("api.test"),
    );
    let resolver = single(&old);
    let mut settings = settings(&stage, "api.test");
    settings.tls = Some(new.trusted());
    settings.keepalive = None;
    let origin = Origin::new(settings).unwrap();
    let (answer, _) = tokio::join!(origin.send(get(), PATIENT), greet(&stage, &resolver));
    assert!(matches!(answer.unwrap_err(), NetError::Tls(_)));
    let mut table = CertificateTable::default();
    table.add("api.test", new.certificate.clone());
    resolver.swap(table);
    let (answer, _) = tokio::join!(origin.send(get(), PATIENT), greet(&stage, &resolver));
    assert_eq!(text(answer.unwrap()).await.unwrap(), "hello");
}

#[tokio::test]
async fn handshake_without_a_certificate_for_the_name_is_aborted() {
    let (stage, made) = (Stage::open().await, Made::new("api.test"));
    let mut table = CertificateTable::default();
    table.add("api.test", made.certificate.clone());
    let resolver = Arc::new(SniResolver::new(table));
    let mut settings = settings(&stage, "other.test");
    settings.verify = false;
    let origin = Origin::new(settings).unwrap();
    let (answer, served) = tokio::join!(origin.send(get(), PATIENT), greet(&stage, &resolver));
    assert!(matches!(answer.unwrap_err(), NetError::Tls(_)));
    assert!(served.is_none());
}

#[tokio::test]
async fn upstream_that_asks_for_a_certificate_gets_one() {
    let (stage, server, client) = (
        Stage::open().await,
        Made::new("api.test"),
        Made::new("me.test"),
    );
    let trust = Trust::webpki().with(&Pem::text(&server.pem)).unwrap();
    let (chain, key) = (Pem::text(&client.pem), Pem::text(&client.key));
    let mut settings = settings(&stage, "api.test");
    settings.tls = Some(ClientTls::presenting(Some(&trust), &chain, &key).unwrap());
    let origin = Origin::new(settings).unwrap();
    let upstream = async {
        let mut stream = asking_for(&client, &server)
            .accept(stage.next().await.stream)
            .await?;
        let shown = stream.get_ref().1.peer_certificates().map(<[_]>::len);
        stream.write_all(HELLO).await?;
        stream.flush().await?;
        Ok::<_, std::io::Error>((shown, stream))
    };
    let (answer, shown) = tokio::join!(origin.send(get(), PATIENT), upstream);
    assert_eq!(shown.unwrap().0, Some(1));
    assert_eq!(text(answer.unwrap()).await.unwrap(), "hello");
}

/// A server that serves nobody but the bearer of one certificate.
fn asking_for(client: &Made, server: &Made) -> TlsAcceptor {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(client.pem.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_cert_resolver(single(server));
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn server_that_does_not_shake_hands_is_a_timeout() {
    let stage = Stage::open().await;
    let origin = Origin::new(settings(&stage, "api.test")).unwrap();
    let timeouts = Timeouts {
        // Long enough to connect, on a busy machine too.
        connect: Duration::from_millis(600),
        ..PATIENT
    };
    let upstream = async {
        let mut actor = stage.next().await;
        actor.is_left().await;
    };
    let (answer, ()) = tokio::join!(origin.send(get(), timeouts), upstream);
    assert_eq!(answer.unwrap_err().phase(), Some(Phase::Tls));
}

#[test]
fn name_that_no_certificate_can_bear_is_an_error_at_once() {
    let settings = OriginSettings::new(Scheme::Https, Arc::from("not a name"), 443);
    let error = Origin::new(settings).unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"not a name\" is not a host name or an IP address"
    );
}

#[test]
fn authority_leaves_the_schemes_own_port_out() {
    let authority = |scheme, host: &str, port| {
        let origin = Origin::new(OriginSettings::new(scheme, Arc::from(host), port)).unwrap();
        origin.authority().to_owned()
    };
    assert_eq!(authority(Scheme::Https, "api.test", 443), "api.test");
    assert_eq!(authority(Scheme::Https, "api.test", 80), "api.test:80");
    assert_eq!(authority(Scheme::Http, "api.test", 80), "api.test");
    assert_eq!(authority(Scheme::Http, "::1", 8080), "[::1]:8080");
}

#[tokio::test]
async fn request_target_may_carry_the_callers_own_host() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        let mut actor = stage.next().await;
        let heard = actor.hear().await;
        actor.say(HELLO).await;
        heard
    };
    let request = Request::get("/")
        .header("host", "mine.test")
        .body(net::RequestBody::Empty);
    let (answer, heard) = tokio::join!(origin.send(request.unwrap(), PATIENT), upstream);
    answer.unwrap();
    assert_eq!(heard.matches("host: ").count(), 1);
    assert!(heard.contains("host: mine.test\r\n"));
}

#[tokio::test]
async fn certificate_is_checked_against_the_name_whatever_the_address() {
    let (stage, made) = (Stage::open().await, Made::new("api.test"));
    for (host, is_right) in [("api.test", true), ("other.test", false)] {
        let mut settings = OriginSettings::new(Scheme::Https, Arc::from(host), stage.port);
        settings.tls = Some(made.trusted());
        let peer = Peer {
            ip: [127, 0, 0, 1].into(),
            since: None,
        };
        let peers = Peers::starting_at(Arc::new(vec![peer]), 0).unwrap();
        let origin = Origin::new(settings).unwrap().at(peers);
        let resolver = single(&made);
        let (answer, greeted) = tokio::join!(origin.send(get(), PATIENT), greet(&stage, &resolver));
        match answer {
            Ok(_) => {
                let name = greeted.and_then(|greeted| greeted.name);
                assert_eq!((is_right, name.as_deref()), (true, Some(host)));
            }
            Err(error) => assert!(!is_right && matches!(error, NetError::Tls(_)), "{error:?}"),
        }
    }
}

#[tokio::test]
async fn probe_says_and_checks_the_name_of_its_target() {
    let (stage, made) = (Stage::open().await, Made::new("api.test"));
    let probe = |verify| Probe {
        kind: ProbeKind::Https,
        server_name: Some(Arc::from("api.test")),
        verify,
        ..probe(stage.port)
    };
    let resolver = single(&made);
    let trusting = Arc::new(Prober::new(probe(false), None));
    let (_, greeted) = tokio::join!(trusting.turn(&System), greet(&stage, &resolver));
    assert_eq!(greeted.unwrap().name.as_deref(), Some("api.test"));
    assert_eq!(trusting.nodes()[0].health, Health::default());

    // Nobody that is trusted vouches for the certificate.
    let checking = Arc::new(Prober::new(probe(true), None));
    tokio::join!(checking.turn(&System), greet(&stage, &resolver));
    assert_eq!(checking.nodes()[0].health.counters.tcp_failure, 1);
}
