//! The arithmetic of likeness, and which answers are believed.

use super::answer::vectors;
use super::best;
use super::vector::Vector;

fn vector(numbers: &[f64]) -> Vector {
    Vector::new(numbers.to_vec())
}

fn close(found: Option<f64>, expected: f64) -> bool {
    found.is_some_and(|found| (found - expected).abs() < 1e-12)
}

#[test]
fn likeness_is_the_cosine_whatever_the_lengths() {
    let east = vector(&[5.0, 0.0]);
    assert!(close(east.cosine(&vector(&[0.1, 0.0])), 1.0));
    assert!(close(east.cosine(&vector(&[0.0, 3.0])), 0.0));
    assert!(close(east.cosine(&vector(&[-2.0, 0.0])), -1.0));
    assert!(close(east.cosine(&vector(&[3.0, 4.0])), 0.6));
}

#[test]
fn a_vector_of_zeros_is_like_nothing() {
    let zeros = vector(&[0.0, 0.0]);
    assert!(close(zeros.cosine(&zeros), 0.0));
}

#[test]
fn vectors_of_different_lengths_are_not_compared() {
    assert_eq!(vector(&[1.0]).cosine(&vector(&[1.0, 0.0])), None);
    let group = [vector(&[1.0, 0.0]), vector(&[1.0])];
    assert_eq!(best(&vector(&[1.0, 0.0]), &group), None);
}

#[test]
fn the_most_alike_example_counts() {
    let group = [vector(&[0.0, 1.0]), vector(&[3.0, 4.0])];
    assert!(close(best(&vector(&[1.0, 0.0]), &group), 0.6));
}

#[test]
fn vectors_are_put_where_their_index_says() {
    let body = br#"{"data":[{"index":1,"embedding":[0,1]},{"index":0.0,"embedding":[2,0]}]}"#;
    let expected = vec![vector(&[1.0, 0.0]), vector(&[0.0, 1.0])];
    assert_eq!(vectors(body, 2), Ok(expected));
}

#[test]
fn vectors_without_a_numeric_index_keep_their_order() {
    let body = br#"{"data":[{"embedding":[1,0]},{"index":null,"embedding":[0,1]}]}"#;
    let expected = vec![vector(&[1.0, 0.0]), vector(&[0.0, 1.0])];
    assert_eq!(vectors(body, 2), Ok(expected));
}

macro_rules! refuses {
    ($name:ident: $body:literal => $why:literal) => {
        #[test]
        fn $name() {
            assert_eq!(vectors($body.as_bytes(), 2), Err($why));
        }
    };
}

refuses!(text_that_is_no_json: "<html>" => "no JSON");
refuses!(nothing: "" => "no JSON");
refuses!(a_scalar: "1" => "no object with an array `data`");
refuses!(an_array: "[]" => "no object with an array `data`");
refuses!(data_that_is_an_object: r#"{"data":{}}"# => "no object with an array `data`");
refuses!(entries_that_are_no_objects: r#"{"data":[[1],[1]]}"#
    => "an entry of `data` that is no object");
refuses!(an_index_beyond_the_last: r#"{"data":[{"index":2,"embedding":[1]}]}"#
    => "an `index` that no text has");
refuses!(an_index_below_the_first: r#"{"data":[{"index":-1,"embedding":[1]}]}"#
    => "an `index` that no text has");
refuses!(an_index_between_two: r#"{"data":[{"index":0.5,"embedding":[1]}]}"#
    => "an `index` that no text has");
refuses!(more_entries_than_texts:
    r#"{"data":[{"embedding":[1]},{"embedding":[1]},{"embedding":[1]}]}"#
    => "an `index` that no text has");
refuses!(fewer_entries_than_texts: r#"{"data":[{"embedding":[1]}]}"#
    => "fewer vectors than texts");
refuses!(two_entries_for_one_text:
    r#"{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}"#
    => "fewer vectors than texts");
refuses!(a_missing_embedding: r#"{"data":[{"index":0}]}"# => "an `embedding` that is no array");
refuses!(a_null_embedding: r#"{"data":[{"embedding":null}]}"# => "an `embedding` that is no array");
refuses!(an_empty_embedding: r#"{"data":[{"embedding":[]}]}"# => "an empty `embedding`");
refuses!(a_component_that_is_text: r#"{"data":[{"embedding":[1,"2"]}]}"#
    => "an `embedding` with what is no finite number");
refuses!(a_component_that_is_not_finite: r#"{"data":[{"embedding":[1e999]}]}"#
    => "an `embedding` with what is no finite number");
