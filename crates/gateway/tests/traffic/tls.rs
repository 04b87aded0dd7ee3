//! TLS: certificates by name, protocols by negotiation.

use std::sync::Arc;

use gateway::Settings;
use http::Request;
use http_body_util::Full;
use net::tls::{Certificate, CertificateTable, Pem, SniResolver, server_config};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{Answered, House, Workshop, door};

async fn house() -> (House, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["secure.example".to_owned()]);
    let made = made.expect("a certificate");
    let chain = Pem::Text(made.cert.pem().into_bytes().into());
    let key = Pem::Text(made.signing_key.serialize_pem().into_bytes().into());
    let certificate = Certificate::load(&chain, &key).expect("a certificate");
    let resolver = Arc::new(SniResolver::new(CertificateTable::single(certificate)));
    let tls = server_config(resolver, true).expect("a configuration");
    let door = gateway::Door {
        tls: Some(tls),
        ..door()
    };
    let resources = json!({
        "routes": [{ "id": "1", "uri": "/x", "plugins": { "answer": { "text": "secure" } } }],
    });
    let house = House::behind(door, Settings::default(), resources, Workshop::new()).await;
    (house, made.cert.der().clone())
}

async fn connect(
    house: &House,
    trusted: CertificateDer<'static>,
    protocols: &[&str],
) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    let stream = TcpStream::connect(house.address)
        .await
        .expect("a connection");
    let name = ServerName::try_from("secure.example").expect("a name");
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .expect("a handshake")
}

#[tokio::test]
async fn http_2_is_chosen_when_both_sides_can() {
    let (house, certificate) = house().await;
    let stream = connect(&house, certificate, &["h2", "http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut sender = crate::http2::client(stream).await;
    let request = Request::get("https://secure.example/x").body(Full::default());
    let answer = sender
        .send_request(request.expect("a request"))
        .await
        .expect("an answer");
    assert_eq!(Answered::read(answer).await.body, "secure");
}

#[tokio::test]
async fn http_1_is_spoken_with_others() {
    let (house, certificate) = house().await;
    for protocols in [&["http/1.1"][..], &[]] {
        let mut stream = connect(&house, certificate.clone(), protocols).await;
        stream
            .write_all(b"GET /x HTTP/1.1\r\nHost: secure.example\r\nConnection: close\r\n\r\n")
            .await
            .expect("room to write");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.ends_with("\r\n\r\nsecure"), "{answer:?}");
    }
}

#[tokio::test]
async fn plain_bytes_on_a_tls_door_harm_nobody() {
    let (house, certificate) = house().await;
    let mut plain = house.raw().await;
    plain.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = plain.read_to_end().await;
    assert!(!answer.contains("HTTP/1.1 200"), "{answer:?}");
    connect(&house, certificate, &["h2"]).await;
}
