//! The function's own lines in the log. The test runs itself again, once with each environment.

#![cfg(feature = "tracing")]

mod support;

use faas::{BoxError, LambdaContext};
use faas_function as faas;
use serde_json::{json, Value};
use std::process::Command;
use std::{env, thread};
use support::{call_hook, request, send};

faas::export!(handle, init = faas::logs::init);
symbols!(handle; faas_init);

fn handle(_: Value, _: &LambdaContext, _: &()) -> Result<(), BoxError> {
    let cause = "x".parse::<u32>().unwrap_err();
    tracing::info!(count = 2, ratio = 0.5, is_new = true, "an order of {}", "tea");
    tracing::debug!("left out");
    tracing::warn!(timestamp = "mine", error = &cause as &dyn std::error::Error, r#type = ?Some(1), "two\nlines");
    let order = tracing::error_span!("order", order = "o-1", total = tracing::field::Empty);
    order.record("total", 250);
    order.in_scope(|| tracing::error!(count = 3, "in a span"));
    let span = tracing::Span::current();
    thread::spawn(move || span.in_scope(|| tracing::error!("in a thread")))
        .join()
        .expect("no panic");
    thread::spawn(|| tracing::error!("elsewhere")).join().expect("no panic");
    Ok(())
}

/// What the handler writes to standard error with these variables.
fn lines(variables: &[(&str, &str)]) -> Vec<String> {
    let mut command = Command::new(env::current_exe().expect("this test"));
    command.args(["--exact", "the_function_runs", "--nocapture", "--include-ignored"]);
    for name in [
        "AWS_LAMBDA_LOG_FORMAT",
        "AWS_LAMBDA_LOG_LEVEL",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
    ] {
        command.env_remove(name);
    }
    let done = command.envs(variables.iter().copied()).output().expect("it runs");
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stderr)
        .expect("UTF-8")
        .lines()
        .map(String::from)
        .collect()
}

#[test]
#[ignore = "the other tests run it"]
fn the_function_runs() {
    assert_eq!(call_hook(symbols::faas_init).status, 0);
    let mut request = request(b"null");
    request.trace_id = c"Root=1".as_ptr();
    assert_eq!(send(symbols::handle, &request).status, 0);
}

fn objects(lines: &[String]) -> Vec<Value> {
    let parsed = lines.iter().map(|line| serde_json::from_str(line).expect("JSON"));
    parsed
        .map(|mut line: Value| {
            let members = line.as_object_mut().expect("an object");
            let time = members.remove("timestamp").expect("a timestamp");
            assert_eq!(time.as_str().expect("text").len(), "2026-11-29T12:00:00.000Z".len());
            assert_eq!(members.remove("target"), Some(json!("logs")));
            line
        })
        .collect()
}

#[test]
fn json_lines_have_the_ids_of_the_invocation() {
    let lines = lines(&[("AWS_LAMBDA_LOG_FORMAT", "JSON")]);
    assert!(lines[0].starts_with(r#"{"timestamp":"20"#), "{}", lines[0]);
    let ids = json!({"requestId": "r-1", "xrayTraceId": "Root=1"});
    let with_ids = |mut line: Value| {
        line.as_object_mut()
            .expect("an object")
            .extend(ids.as_object().expect("an object").clone());
        line
    };
    let cause = "invalid digit found in string";
    let expected = [
        json!({"level": "INFO", "message": "an order of tea", "count": 2, "ratio": 0.5, "is_new": true}),
        json!({"level": "WARN", "message": "two\nlines", "timestamp_": "mine", "error": cause, "type": "Some(1)"}),
        json!({"level": "ERROR", "message": "in a span", "order": "o-1", "total": 250, "count": 3}),
        json!({"level": "ERROR", "message": "in a thread"}),
    ];
    let (last, others) = objects(&lines)
        .split_last()
        .map(|(last, all)| (last.clone(), all.to_vec()))
        .expect("lines");
    assert_eq!(others, expected.map(with_ids));
    assert_eq!(last, json!({"level": "ERROR", "message": "elsewhere"}));
}

#[test]
fn text_lines_have_the_request_id() {
    let lines = lines(&[]);
    let parts: Vec<Vec<&str>> = lines.iter().map(|line| line.split('\t').collect()).collect();
    assert_eq!(parts.len(), 5);
    let (info, warn) = (&parts[0], &parts[1]);
    assert_eq!((info[0], &info[2..4]), ("[INFO]", &["r-1", "an order of tea"][..]));
    assert_eq!(
        info[4..],
        ["xrayTraceId=\"Root=1\"", "count=2", "ratio=0.5", "is_new=true"]
    );
    assert_eq!(warn[3], "two\rlines");
}

#[test]
fn the_level_holds() {
    let levels = |level: &str| {
        let lines = lines(&[("AWS_LAMBDA_LOG_LEVEL", level), ("AWS_LAMBDA_LOG_FORMAT", "json")]);
        objects(&lines)
            .iter()
            .map(|line| line["level"].as_str().expect("text").to_string())
            .collect::<Vec<_>>()
    };
    let errors = ["ERROR", "ERROR", "ERROR"];
    assert_eq!(levels("ERROR"), errors);
    assert_eq!(levels("warn")[0], "WARN");
    assert_eq!(levels("DEBUG")[..3], ["INFO", "DEBUG", "WARN"]);
    assert_eq!(levels("TRACE").len(), 6);
    assert_eq!(levels("FATAL").len(), 0);
}

#[test]
fn managed_instances_have_json_lines() {
    let lines = lines(&[("AWS_LAMBDA_INITIALIZATION_TYPE", "lambda-managed-instances")]);
    assert_eq!(objects(&lines).len(), 5);
}
