use std::time::Duration;

use super::*;
use crate::bench::load::Tally;

fn measured(cpu_ms: u64, errors: usize) -> Measured {
    Measured {
        tally: Tally {
            requests: 100,
            total: (1..=100).map(|n| n * 1000).collect(),
            errors,
            first_error: (errors > 0).then(|| "wrong".to_owned()),
            ..Tally::default()
        },
        elapsed: Duration::from_secs(1),
        cpu: Some(Duration::from_millis(cpu_ms)),
        rss_idle: 1024 * 1024,
        rss_peak: 3 * 1024 * 1024,
    }
}

fn report(tollgate_errors: usize) -> Report {
    let mut report = Report::new(3, 4, "remark".to_owned());
    for cpu in [10, 30, 20] {
        report.add(Scenario::Chat1k, "nginx", measured(cpu, 0));
        report.add(
            Scenario::Chat1k,
            "tollgate",
            measured(cpu * 2, tollgate_errors),
        );
    }
    report
}

#[test]
fn figures_are_medians_and_ratios_to_nginx() {
    let json = report(0).json();
    let row = &json["rows"][1];
    assert_eq!(row["figures"]["cpu_us_per_request"], 400.0);
    assert_eq!(row["ratio_to_nginx"]["cpu_us_per_request"], 2.0);
    assert_eq!(row["figures"]["p50_ms"], 50.0);
    assert_eq!(row["figures"]["p99_ms"], 99.0);
    assert_eq!(row["figures"]["rss_peak_mib"], 3.0);
    assert!(row["figures"].get("late_p99_ms").is_none());
    assert_eq!(json["rows"][0]["ratio_to_nginx"], json!({}));
    assert!(!report(0).has_errors());
}

#[test]
fn wrong_answers_make_a_row_invalid() {
    let report = report(1);
    assert!(report.has_errors());
    let json = report.json();
    assert_eq!(json["rows"][1]["errors"], 3);
    assert_eq!(json["rows"][1]["first_error"], "wrong");
    assert_eq!(report.cells(&report.rows[1]).last().unwrap(), "INVALID (3)");
}

#[test]
fn change_since_the_run_before_is_told() {
    let (before, now) = (report(0).json(), report(0).json());
    assert_eq!(
        changes(&before, &now),
        [
            "\nAgainst the run before:",
            "chat_1k tollgate: cpu x2.00, before x2.00"
        ]
    );
    assert!(changes(&json!({}), &now).is_empty());
}
