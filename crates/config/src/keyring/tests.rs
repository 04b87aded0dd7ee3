use super::*;

/// Keys that were made known with APISIX, as its examples have them.
const FIRST: &str = "qeddd145sfvddff3";
const SECOND: &str = "edd1c9f0985e76a2";
const LONG: &str = "edd1c9f0985e76a2edd1c9f0985e76a2";

fn keyring(keys: &[&str]) -> Keyring {
    let keys: Vec<Secret> = keys
        .iter()
        .map(|key| Secret::new((*key).to_owned()))
        .collect();
    Keyring::new(&keys).unwrap()
}

// Both made by `openssl enc -aes-128-cbc -K … -iv … -base64` and the same with `-aes-256-cbc`.
#[test]
fn ciphertexts_are_those_of_any_other_aes_cbc() {
    let short = "CrJVY1vByZjl8KcUfjE7fw==";
    let long = "QRNqWl0G1+1A83h1bzaimyvqD4ILRUU/zmFn5gLbGW0=";
    assert_eq!(keyring(&[FIRST]).encrypt("Bearer sk-123").unwrap(), short);
    assert_eq!(keyring(&[FIRST]).decrypt(short).unwrap(), "Bearer sk-123");
    assert_eq!(keyring(&[LONG]).encrypt("sixteen-bytes-ok").unwrap(), long);
    assert_eq!(keyring(&[LONG]).decrypt(long).unwrap(), "sixteen-bytes-ok");
}

#[test]
fn the_first_key_encrypts_and_every_key_decrypts() {
    let before = keyring(&[FIRST]).encrypt("sk-secret").unwrap();
    let rotated = keyring(&[SECOND, LONG, FIRST]);
    assert_eq!(rotated.decrypt(&before).unwrap(), "sk-secret");
    let after = rotated.encrypt("sk-secret").unwrap();
    assert_eq!(keyring(&[FIRST]).decrypt(&after), None);
    assert_eq!(keyring(&[SECOND]).decrypt(&after).unwrap(), "sk-secret");
}

#[test]
fn what_was_never_encrypted_does_not_decrypt() {
    let keyring = keyring(&[FIRST, LONG]);
    for text in [
        "",
        "sk-plain",
        "c2hvcnQ=",
        "cGxhaW4gdGV4dCBpbiBiYXNlNjQsIGJsb2Nrcw==",
    ] {
        assert_eq!(keyring.decrypt(text), None, "{text}");
    }
}

#[test]
fn without_a_key_texts_stay() {
    let none = Keyring::default();
    assert_eq!(none.encrypt("sk-plain").unwrap(), "sk-plain");
    assert_eq!(none.decrypt("sk-plain"), None);
    assert!(none.is_empty());
}

#[test]
fn a_key_of_another_length_is_named_by_its_place() {
    let keys = [FIRST, "fifteen-bytes-x"].map(|key| Secret::new(key.to_owned()));
    let error = Keyring::new(&keys).unwrap_err();
    assert_eq!(
        error,
        KeyLength {
            index: 1,
            length: 15
        }
    );
    assert_eq!(
        error.to_string(),
        "expected a key of 16 or 32 bytes, found one of 15"
    );
    let between = [Secret::new("x".repeat(24))];
    assert_eq!(Keyring::new(&between).unwrap_err().length, 24);
}

#[test]
fn debug_shows_no_key() {
    assert_eq!(format!("{:?}", keyring(&[FIRST, LONG])), "Keyring(2 keys)");
}

#[test]
fn ciphertexts_are_known_by_their_form() {
    let encrypted = keyring(&[FIRST]).encrypt("sk-secret").unwrap();
    assert!(Keyring::resembles_encrypted(&encrypted));
    for text in ["", "sk-plain", "c2hvcnQ=", "$env://KEY"] {
        assert!(!Keyring::resembles_encrypted(text), "{text}");
    }
}
