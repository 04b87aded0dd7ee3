use std::collections::BTreeMap;

use super::*;

const TRAFFIC: Traffic<'static> = Traffic {
    prefer_name: false,
    route_id: "1",
    route_name: "chat",
    service_id: "7",
    service_name: "llm",
    matched_uri: "/v1/*",
    matched_host: "api.test",
    consumer: "jack",
    node: "ai-proxy-openai",
    request_type: "ai_chat",
    request_llm_model: "gpt-x",
    llm_model: "gpt-4",
};

fn settings(json: &str) -> Settings {
    serde_json::from_str(json).unwrap()
}

fn lines<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.lines()
        .filter(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['{', ' ']))
        })
        .collect()
}

#[test]
fn spec_of_each_metric_is_found_at_its_own_place() {
    let metrics = Metrics::default();
    for &metric in Metric::ALL {
        assert_eq!(metrics.family(metric).unwrap().metric(), metric);
    }
}

#[test]
fn series_carry_the_labels_in_order_and_without_suffix() {
    let metrics = Metrics::default();
    metrics.http(&HttpObservation {
        status: 200,
        source: "upstream",
        request_ms: 12.0,
        upstream_ms: Some(10.5),
        ingress_bytes: 100,
        egress_bytes: 2000,
        ..HttpObservation::new(&TRAFFIC)
    });
    let text = metrics.encode();

    assert!(text.contains("# TYPE apisix_http_status counter\n"));
    assert!(text.contains("# TYPE apisix_bandwidth counter\n"));
    assert!(text.contains("# TYPE apisix_http_latency histogram\n"));
    assert!(text.contains("# TYPE apisix_http_requests_total gauge\n"));
    assert!(!text.contains("untyped"));
    assert_eq!(
        lines(&text, "apisix_http_status"),
        [concat!(
            r#"apisix_http_status{code="200",route="1",matched_uri="/v1/*",matched_host="api.test","#,
            r#"service="7",consumer="jack",node="ai-proxy-openai",request_type="ai_chat","#,
            r#"request_llm_model="gpt-x",llm_model="gpt-4",response_source="upstream"} 1"#
        )]
    );
    let rest = concat!(
        r#"route="1",service="7",consumer="jack",node="ai-proxy-openai",request_type="ai_chat","#,
        r#"request_llm_model="gpt-x",llm_model="gpt-4"}"#
    );
    assert_eq!(
        lines(&text, "apisix_bandwidth"),
        [
            format!(r#"apisix_bandwidth{{type="egress",{rest} 2000"#),
            format!(r#"apisix_bandwidth{{type="ingress",{rest} 100"#),
        ]
    );
    assert_eq!(
        lines(&text, "apisix_http_latency_sum"),
        [
            format!(r#"apisix_http_latency_sum{{type="apisix",{rest} 1.5"#),
            format!(r#"apisix_http_latency_sum{{type="request",{rest} 12.0"#),
            format!(r#"apisix_http_latency_sum{{type="upstream",{rest} 10.5"#),
        ]
    );
}

#[test]
fn latency_of_ai_requests_is_recorded_only_where_it_was_measured() {
    let metrics = Metrics::default();
    metrics.llm(&LlmObservation {
        total_ms: Some(0.0),
        prompt_tokens: 16,
        completion_tokens: 4,
        ..LlmObservation::new(&TRAFFIC)
    });
    metrics.llm(&LlmObservation::new(&TRAFFIC));
    let text = metrics.encode();

    let count = lines(&text, "apisix_llm_latency_count");
    assert_eq!(count.len(), 1, "{count:?}");
    assert!(count[0].starts_with(r#"apisix_llm_latency_count{type="total",route_id="1""#));
    assert!(count[0].ends_with("} 1"));
    assert!(lines(&text, "apisix_llm_prompt_tokens")[0].ends_with("} 16"));
    assert!(lines(&text, "apisix_llm_completion_tokens")[0].ends_with("} 4"));
    assert!(lines(&text, "apisix_llm_prompt_tokens_dist_count")[0].ends_with("} 2"));
    assert!(text.contains(r#"llm_model="gpt-4",le="50"} 2"#));
}

#[test]
fn names_stand_for_ids_where_preferred_and_known() {
    let metrics = Metrics::default();
    let named = Traffic {
        prefer_name: true,
        service_name: "",
        ..TRAFFIC
    };
    metrics.llm(&LlmObservation::new(&named));
    let active = metrics.llm_active(&named, &|_, _| {});
    let text = metrics.encode();

    assert!(
        lines(&text, "apisix_llm_prompt_tokens")[0].contains(r#"{route_id="chat",service_id="7","#)
    );
    assert!(
        lines(&text, "apisix_llm_active_connections")[0]
            .contains(r#"{route="chat",route_id="1",matched_uri="/v1/*","#)
    );
    drop(active);
}

#[test]
fn active_guards_lower_what_they_raised() {
    let metrics = Metrics::default();
    let value = |metrics: &Metrics| {
        let text = metrics.encode();
        let all = lines(&text, "apisix_llm_active_connections");
        all.iter()
            .map(|line| line.rsplit(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let first = metrics.llm_active(&TRAFFIC, &|_, _| {});
    let second = metrics.llm_active(&TRAFFIC, &|_, _| {});
    let other = Traffic {
        node: "ai-proxy-deepseek",
        ..TRAFFIC
    };
    let third = metrics.llm_active(&other, &|_, _| {});
    assert_eq!(value(&metrics), ["1", "2"]);
    drop((first, second, third));
    assert_eq!(value(&metrics), ["0", "0"]);
}

#[derive(Debug)]
struct Fuse {
    resource: &'static str,
    instance: &'static str,
    is_open: bool,
}

impl WatchedBreaker for Fuse {
    fn resource(&self) -> &str {
        self.resource
    }

    fn instance(&self) -> &str {
        self.instance
    }

    fn is_open(&self) -> bool {
        self.is_open
    }
}

fn fuse(resource: &'static str, is_open: bool) -> Arc<Fuse> {
    Arc::new(Fuse {
        resource,
        instance: "a",
        is_open,
    })
}

#[test]
fn breakers_are_shown_while_they_live() {
    let metrics = Metrics::default();
    let (old, other) = (fuse("/routes/1", true), fuse("/routes/2", false));
    metrics.watch_breaker(&old);
    metrics.watch_breaker(&other);
    let shown = || {
        let text = metrics.encode();
        let lines = lines(&text, "apisix_llm_breaker_open");
        lines.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let line = |route: &str, value: u8| {
        format!(r#"apisix_llm_breaker_open{{resource="/routes/{route}",node="a"}} {value}"#)
    };
    assert_eq!(shown(), [line("1", 1), line("2", 0)]);
    // The one of the next configuration stands for both while the old one is in use.
    let next = fuse("/routes/1", false);
    metrics.watch_breaker(&next);
    assert_eq!(shown(), [line("1", 0), line("2", 0)]);
    drop((old, next));
    assert_eq!(shown(), [line("2", 0)]);
    drop(other);
    assert!(shown().is_empty());
}

#[test]
fn attempts_are_counted_with_what_is_known_of_their_times() {
    let metrics = Metrics::default();
    let asked = AttemptObservation {
        traffic: &TRAFFIC,
        chosen: "fallback",
        status: None,
        ended: "client_disconnect",
        fault: "",
        times: AttemptTimes {
            connect_ms: Some(3.0),
            total_ms: Some(40.0),
            ..AttemptTimes::default()
        },
        variable: &|_, _| {},
    };
    metrics.llm_attempt(&asked);
    metrics.llm_exchange(&TRAFFIC, "client_disconnect", &|_, _| {});
    let text = metrics.encode();
    let node = r#"route_id="1",service_id="7",node="ai-proxy-openai""#;
    assert_eq!(
        lines(&text, "apisix_llm_attempts_total"),
        [format!(
            r#"apisix_llm_attempts_total{{{node},chosen="fallback",status="",ended="client_disconnect",fault=""}} 1"#
        )]
    );
    assert_eq!(
        lines(&text, "apisix_llm_exchanges_total"),
        [format!(
            r#"apisix_llm_exchanges_total{{{node},ended="client_disconnect"}} 1"#
        )]
    );
    let sums = ["connect", "total"].map(|kind| {
        let value = if kind == "connect" { "3.0" } else { "40.0" };
        format!(
            r#"apisix_llm_attempt_latency_sum{{type="{kind}",{node},ended="client_disconnect"}} {value}"#
        )
    });
    assert_eq!(lines(&text, "apisix_llm_attempt_latency_sum"), sums);
    assert!(text.contains("# TYPE apisix_llm_attempts_total counter\n"));
    assert!(text.contains("# TYPE apisix_llm_attempt_latency histogram\n"));
}

#[test]
fn long_model_names_are_cut_between_characters() {
    let metrics = Metrics::default();
    let model = "é".repeat(100);
    let odd = format!("x{model}");
    let traffic = Traffic {
        llm_model: &model,
        request_llm_model: &odd,
        ..TRAFFIC
    };
    metrics.llm(&LlmObservation::new(&traffic));
    let text = metrics.encode();
    let line = lines(&text, "apisix_llm_prompt_tokens")[0];
    assert!(line.contains(&format!(r#"request_llm_model="x{}""#, "é".repeat(63))));
    assert!(line.contains(&format!(r#"llm_model="{}""#, "é".repeat(64))));
}

#[test]
fn hostile_label_values_stay_inside_their_quotes() {
    let metrics = Metrics::default();
    let traffic = Traffic {
        llm_model: "a\"} 1\n# TYPE apisix_http_status untyped\\",
        ..TRAFFIC
    };
    metrics.http(&HttpObservation::new(&traffic));
    let text = metrics.encode();
    assert!(text.contains(r#"llm_model="a\"} 1\n# TYPE apisix_http_status untyped\\""#));
    assert!(text.contains("\n# TYPE apisix_http_status counter\n") || text.starts_with("# HELP"));
}

#[test]
fn extra_labels_come_last_and_ask_for_their_variables() {
    let metrics = Metrics::new(&settings(
        r#"{"metrics": {"http_status": {"extra_labels": [{"upstream": "$upstream_addr"}, {"none": "plain"}]}}}"#,
    ))
    .unwrap();
    assert_eq!(
        metrics.extra_labels(Metric::HttpStatus)[1].variable,
        "plain"
    );
    metrics.http(&HttpObservation {
        variable: &|name, out| {
            if name == "upstream_addr" {
                out.push_str("10.0.0.1:80");
            }
        },
        ..HttpObservation::new(&TRAFFIC)
    });
    let text = metrics.encode();
    let line = lines(&text, "apisix_http_status")[0];
    assert!(
        line.ends_with(r#",upstream="10.0.0.1:80",none=""} 1"#),
        "{line}"
    );
}

#[test]
fn disabled_labels_are_blank_but_never_code_and_type() {
    let metrics = Metrics::default();
    let names = ["code", "consumer", "nonsense"].map(str::to_owned);
    let disabled = BTreeMap::from([("http_status".to_owned(), names.to_vec())]);
    metrics.set_disabled_labels(&disabled);
    metrics.http(&HttpObservation::new(&TRAFFIC));
    metrics.set_disabled_labels(&BTreeMap::new());
    metrics.http(&HttpObservation::new(&TRAFFIC));
    let text = metrics.encode();
    let all = lines(&text, "apisix_http_status");
    assert_eq!(all.len(), 2);
    assert!(all[0].contains(r#"consumer="jack""#));
    assert!(all[1].contains(r#"code="0""#) && all[1].contains(r#"consumer="""#));
}

#[test]
fn unused_series_expire_but_held_gauges_do_not() {
    let metrics = Metrics::new(&settings(
        r#"{"metrics": {"http_status": {"expire": 10}, "llm_active_connections": {"expire": 10}}}"#,
    ))
    .unwrap();
    metrics.http(&HttpObservation::new(&TRAFFIC));
    let held = metrics.llm_active(&TRAFFIC, &|_, _| {});

    assert_eq!(lines(&metrics.encode_at(9), "apisix_http_status").len(), 1);
    let later = metrics.encode_at(10);
    assert!(lines(&later, "apisix_http_status").is_empty());
    assert_eq!(lines(&later, "apisix_bandwidth").len(), 2, "has no expiry");
    assert_eq!(lines(&later, "apisix_llm_active_connections").len(), 1);
    drop(held);
    assert!(lines(&metrics.encode_at(10), "apisix_llm_active_connections").is_empty());
}

#[test]
fn too_many_models_are_folded_into_one_and_counted() {
    let metrics = Metrics::new(&Settings {
        max_series: 3,
        ..Settings::default()
    })
    .unwrap();
    for model in 0..10 {
        let model = model.to_string();
        let traffic = Traffic {
            llm_model: &model,
            ..TRAFFIC
        };
        metrics.llm(&LlmObservation {
            prompt_tokens: 1,
            ..LlmObservation::new(&traffic)
        });
    }
    let text = metrics.encode();
    let all = lines(&text, "apisix_llm_prompt_tokens");
    assert_eq!(all.len(), 4, "{all:#?}");
    let folded = r#"request_llm_model="<overflow>",llm_model="<overflow>"} 7"#;
    assert!(all.iter().any(|line| line.ends_with(folded)), "{all:#?}");
    assert!(
        lines(&text, "tollgate_metric_series_overflow_total")
            .contains(&r#"tollgate_metric_series_overflow_total{metric="llm_prompt_tokens"} 7"#)
    );
}

#[test]
fn connections_are_counted_by_state() {
    let metrics = Metrics::default();
    let first = metrics.connection_opened();
    let second = metrics.connection_opened();
    first.set_state(ConnectionState::Writing);
    second.set_state(ConnectionState::Reading);
    metrics.request_received();
    drop(second);
    let text = metrics.encode();
    for line in [
        r#"apisix_nginx_http_current_connections{state="active"} 1"#,
        r#"apisix_nginx_http_current_connections{state="accepted"} 2"#,
        r#"apisix_nginx_http_current_connections{state="reading"} 0"#,
        r#"apisix_nginx_http_current_connections{state="writing"} 1"#,
        "apisix_http_requests_total 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn own_counters_do_not_take_the_configurable_prefix() {
    let metrics = Metrics::new(&settings(r#"{"metric_prefix": "edge_"}"#)).unwrap();
    metrics.panic_caught();
    metrics.client_disconnected();
    metrics.log_entries_dropped("-", 3);
    metrics.set_node_info("host", "1.0");
    metrics.set_upstream_status("up", "10.0.0.1", 80, true);
    metrics.set_upstream_status("gone", "10.0.0.2", 80, true);
    metrics.remove_upstream_status("gone", "10.0.0.2", 80);
    let text = metrics.encode();
    for line in [
        "tollgate_panics_total 1",
        "tollgate_client_disconnects_total 1",
        r#"tollgate_log_entries_dropped_total{target="-"} 3"#,
        r#"edge_node_info{hostname="host",version="1.0"} 1"#,
        r#"edge_upstream_status{name="up",ip="10.0.0.1",port="80"} 1"#,
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("gone"));
}

#[test]
fn buckets_are_those_of_the_settings() {
    let metrics = Metrics::new(&settings(
        r#"{"default_buckets": [5], "llm_prompt_tokens_buckets": [3, 7.5]}"#,
    ))
    .unwrap();
    metrics.llm(&LlmObservation::new(&TRAFFIC));
    let text = metrics.encode();
    let bounds: Vec<_> = lines(&text, "apisix_llm_prompt_tokens_dist_bucket")
        .iter()
        .map(|line| line.split("le=").nth(1).unwrap())
        .collect();
    assert_eq!(bounds, [r#""3"} 1"#, r#""7.5"} 1"#, r#""+Inf"} 1"#]);
}

#[test]
fn bad_settings_are_refused_by_name() {
    let refused = |json: &str| Metrics::new(&settings(json)).unwrap_err().to_string();
    insta::assert_snapshot!(
        [
            r#"{"metrics": {"http_statu": {}}}"#,
            r#"{"metrics": {"bandwidth": {"extra_labels": [{"node": "$x"}]}}}"#,
            r#"{"metrics": {"bandwidth": {"extra_labels": [{"a-b": "$x"}]}}}"#,
            r#"{"metric_prefix": "1_"}"#,
            r#"{"llm_latency_buckets": [2, 1]}"#,
            r#"{"default_buckets": []}"#,
        ]
        .map(refused)
        .join("\n"),
        @r#"
    plugin_attr.prometheus.metrics: expected the name of a metric, found "http_statu"
    plugin_attr.prometheus.metrics.bandwidth.extra_labels: expected a new label name of letters, digits and _, found "node"
    plugin_attr.prometheus.metrics.bandwidth.extra_labels: expected a new label name of letters, digits and _, found "a-b"
    plugin_attr.prometheus.metric_prefix: expected letters, digits, : and _, found "1_"
    plugin_attr.prometheus.llm_latency_buckets: expected at least one finite bound, each above the last
    plugin_attr.prometheus.default_buckets: expected at least one finite bound, each above the last
    "#
    );
    let shape = r#"{"metrics": {"bandwidth": {"extra_labels": [{"a": "$x", "b": "$y"}]}}}"#;
    assert!(serde_json::from_str::<Settings>(shape).is_err());
}

#[test]
fn whole_exposition_reads_as_specified() {
    let metrics = Metrics::new(&settings(
        r#"{"default_buckets": [10], "llm_latency_buckets": [10],
            "llm_prompt_tokens_buckets": [10], "llm_completion_tokens_buckets": [10]}"#,
    ))
    .unwrap();
    metrics.set_node_info("host", "1.0");
    metrics.set_etcd_reachable(true);
    metrics.http(&HttpObservation {
        status: 200,
        request_ms: 3.0,
        ..HttpObservation::new(&TRAFFIC)
    });
    metrics.llm(&LlmObservation {
        total_ms: Some(3.0),
        first_token_ms: Some(1.0),
        prompt_tokens: 16,
        completion_tokens: 4,
        ..LlmObservation::new(&TRAFFIC)
    });
    metrics.llm_attempt(&AttemptObservation {
        traffic: &TRAFFIC,
        chosen: "single",
        status: Some(200),
        ended: "complete",
        fault: "",
        times: AttemptTimes {
            connect_ms: Some(1.0),
            header_ms: Some(2.0),
            first_content_ms: Some(2.5),
            total_ms: Some(3.0),
        },
        variable: &|_, _| {},
    });
    metrics.llm_exchange(&TRAFFIC, "complete", &|_, _| {});
    insta::assert_snapshot!(metrics.encode());
}
