use super::{Certificate, CertificateTable};
use crate::tls::{Pem, TlsError};

fn certificate(name: &str) -> Certificate {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = Pem::text(made.signing_key.serialize_pem());
    Certificate::load(&Pem::text(made.cert.pem()), &key).unwrap()
}

fn is(found: &[Certificate], expected: &Certificate) -> bool {
    matches!(found, [one] if std::sync::Arc::ptr_eq(&one.key, &expected.key))
}

#[test]
fn exact_name_goes_before_a_wildcard_which_covers_one_label() {
    let (exact, wild) = (certificate("a.example.com"), certificate("*.example.com"));
    let mut table = CertificateTable::default();
    assert!(table.is_empty());
    table.add("*.Example.com", wild.clone());
    table.add("a.example.com", exact.clone());
    assert!(is(table.matching(Some("a.example.com")), &exact));
    assert!(is(table.matching(Some("b.example.com")), &wild));
    assert!(table.matching(Some("example.com")).is_empty());
    assert!(table.matching(Some("x.b.example.com")).is_empty());
    assert!(table.matching(Some(".example.com")).is_empty());
    assert!(table.matching(None).is_empty());
}

#[test]
fn star_covers_what_nothing_else_does() {
    let (exact, any) = (certificate("a.example.com"), certificate("any"));
    let mut table = CertificateTable::single(any.clone());
    table.add("a.example.com", exact.clone());
    assert!(is(table.matching(Some("a.example.com")), &exact));
    assert!(is(table.matching(Some("other.test")), &any));
    assert!(is(table.matching(None), &any));
}

#[test]
fn key_of_another_certificate_is_refused() {
    let one = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    let key = Pem::text(other.signing_key.serialize_pem());
    let error = Certificate::load(&Pem::text(one.cert.pem()), &key).unwrap_err();
    assert!(matches!(error, TlsError::Refused(_)), "{error:?}");
}

#[test]
fn faults_of_pem_name_the_place_and_what_was_expected() {
    let key = Pem::text("nothing");
    let missing = Certificate::load(&Pem::file("/no/such/file.pem"), &key).unwrap_err();
    assert_eq!(missing.to_string(), "cannot read /no/such/file.pem");
    let empty = Certificate::load(&Pem::text("nothing"), &key).unwrap_err();
    assert_eq!(
        empty.to_string(),
        "inline text: expected a certificate in PEM form"
    );
    let chain = rcgen::generate_simple_self_signed(["a.test".to_owned()])
        .unwrap()
        .cert
        .pem();
    let no_key = Certificate::load(&Pem::text(chain), &key).unwrap_err();
    assert_eq!(
        no_key.to_string(),
        "inline text: expected a private key in PEM form"
    );
}

#[test]
fn text_of_a_key_is_not_shown() {
    assert_eq!(format!("{:?}", Pem::text("secret")), "Text(***)");
}
