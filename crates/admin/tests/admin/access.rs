//! Who is let in.

use admin::Access;

use crate::support::{ADMIN, House, VIEWER};

async fn without_key(
    house: &House,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
) -> String {
    let client = house.client.clone().without_key();
    let answer = client.request(method, target, headers, "").await;
    format!("{} {}", answer.status, answer.body.trim_end())
}

#[tokio::test]
async fn a_key_is_taken_from_the_query_a_header_or_a_cookie() {
    let house = House::new().await;
    let routes = "/apisix/admin/routes";
    let listed = r#"200 {"list":[],"total":0}"#;
    let query = format!("{routes}?api_key={ADMIN}");
    assert_eq!(without_key(&house, "GET", &query, &[]).await, listed);
    let header = [("x-api-key", ADMIN)];
    assert_eq!(without_key(&house, "GET", routes, &header).await, listed);
    let cookie = format!("theme=dark; x_api_key={ADMIN}; last=1");
    let cookie = [("cookie", cookie.as_str())];
    assert_eq!(without_key(&house, "GET", routes, &cookie).await, listed);
}

#[tokio::test]
async fn the_query_is_asked_before_the_header_and_the_header_before_the_cookie() {
    let house = House::new().await;
    let wrong = r#"401 {"error_msg":"failed to check token","description":"wrong apikey"}"#;
    let query = "/apisix/admin/routes?api_key=wrong";
    let header = [("x-api-key", ADMIN)];
    assert_eq!(without_key(&house, "GET", query, &header).await, wrong);
    let cookie = format!("x_api_key={ADMIN}");
    let headers = [("x-api-key", "wrong"), ("cookie", cookie.as_str())];
    assert_eq!(
        without_key(&house, "GET", "/apisix/admin/routes", &headers).await,
        wrong
    );
}

#[tokio::test]
async fn refusals_say_what_is_wrong_with_the_key() {
    let house = House::new().await;
    let said =
        |why| format!(r#"401 {{"error_msg":"failed to check token","description":"{why}"}}"#);
    let routes = "/apisix/admin/routes";
    assert_eq!(
        without_key(&house, "GET", routes, &[]).await,
        said("missing apikey")
    );
    let longer = format!("{ADMIN}x");
    for key in ["", "wrong", &ADMIN[..5], &longer] {
        let header = [("x-api-key", key)];
        assert_eq!(
            without_key(&house, "GET", routes, &header).await,
            said("wrong apikey"),
            "{key}"
        );
    }
    let viewer = [("x-api-key", VIEWER)];
    for method in ["PUT", "POST", "PATCH", "DELETE"] {
        let answer = without_key(&house, method, "/apisix/admin/routes/1", &viewer).await;
        assert_eq!(answer, said("invalid method for role viewer"), "{method}");
    }
}

#[tokio::test]
async fn a_viewer_reads() {
    let house = House::new().await;
    let viewer = house.client.clone().key(VIEWER);
    assert_eq!(viewer.get("/routes").await.status, 200);
}

#[tokio::test]
async fn nobody_is_let_in_where_there_are_no_keys() {
    let house = House::with(|wiring| wiring.access = Access::Keys(Vec::new())).await;
    assert_eq!(house.client.get("/routes").await.status, 401);
}

#[tokio::test]
async fn everybody_is_let_in_where_that_is_asked_for() {
    let house = House::with(|wiring| wiring.access = Access::Open).await;
    assert_eq!(
        house
            .client
            .clone()
            .without_key()
            .get("/routes")
            .await
            .status,
        200
    );
}
