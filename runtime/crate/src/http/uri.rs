//! The URI of a request, whatever its client wrote.

use super::{HeaderMap, Uri};
use lambda_http::http::uri::{PathAndQuery, Scheme};
use std::env;
use std::fmt::Write;

/// The characters of a path that are not letters or digits, beside `%`: what is encoded already stays as it is.
const IN_PATH: &[u8] = b"/%-._~!$&'()*+,;=:@";

/// The same for a query.
const IN_QUERY: &[u8] = b"/%-._~!$&'()*+,;=:@?[]{}|\\^`";

/// The path with the stage before it, as `lambda_http` has it, and with its variable.
pub(super) fn with_stage(stage: &str, path: &str) -> String {
    let is_there = stage == "$default" || path.starts_with(&format!("/{stage}/"));
    if is_there || env::var_os("AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH").is_some() {
        path.to_string()
    } else {
        format!("/{stage}{path}")
    }
}

/// The whole URI, or only its path and query if the host is not given or wrong.
pub(super) fn uri(path: &str, query: &str, headers: &HeaderMap, domain: Option<&str>) -> Uri {
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut text = format!("{slash}{}", escaped(path, IN_PATH));
    if !query.is_empty() {
        let _ = write!(text, "?{}", escaped(query, IN_QUERY));
    }
    let path_and_query = PathAndQuery::try_from(text).unwrap_or_else(|_| PathAndQuery::from_static("/"));
    let given = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = match given("x-forwarded-proto") {
        Some("http") => Scheme::HTTP,
        _ => Scheme::HTTPS,
    };
    let host = given("host").or(domain).unwrap_or_default();
    let whole = Uri::builder().scheme(scheme).authority(host);
    whole
        .path_and_query(path_and_query.clone())
        .build()
        .unwrap_or_else(|_| path_and_query.into())
}

/// The text, in which all but ASCII letters, digits and these characters are percent-encoded.
fn escaped(text: &str, these: &[u8]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || these.contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use lambda_http::http::{header, HeaderValue};

    fn of(path: &str, query: &str, headers: &[(&'static str, &'static str)]) -> String {
        let headers = headers
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)));
        uri(path, query, &headers.collect(), None).to_string()
    }

    #[test]
    fn a_uri_has_whatever_the_client_wrote() {
        let host = ("host", "example.com");
        assert_eq!(of("/a", "", &[host]), "https://example.com/a");
        assert_eq!(of("/a", "b=1&c=%20", &[host]), "https://example.com/a?b=1&c=%20");
        let escaped = "https://example.com/%C3%BC%20%3F%23?q=%22%3Cb%3E%23%C3%BC";
        assert_eq!(of("/ü ?#", "q=\"<b>#ü", &[host]), escaped);
        assert_eq!(of("/a/../b//c", "", &[host]), "https://example.com/a/../b//c");
        assert_eq!(of("//a", "", &[host]), "https://example.com//a");
        assert_eq!(of("", "", &[host]), "https://example.com/");
        assert_eq!(of("/%zz", "%", &[host]), "https://example.com/%zz?%");
        assert_eq!(
            of("/{}|^", "{}|^`[]\\", &[host]),
            "https://example.com/%7B%7D%7C%5E?{}|^`[]\\"
        );
    }

    #[test]
    fn a_wrong_host_is_left_out() {
        assert_eq!(of("/a", "b", &[]), "/a?b");
        assert_eq!(of("/a", "b", &[("host", "a b")]), "/a?b");
        assert_eq!(
            of("/a", "b", &[("host", "a"), ("x-forwarded-proto", "x y")]),
            "https://a/a?b"
        );
        assert_eq!(
            of("/a", "b", &[("host", "a:80"), ("x-forwarded-proto", "http")]),
            "http://a:80/a?b"
        );
    }

    #[test]
    fn the_stage_comes_first() {
        assert_eq!(with_stage("$default", "/a"), "/a");
        assert_eq!(with_stage("prod", "/a"), "/prod/a");
        assert_eq!(with_stage("prod", "/prod/a"), "/prod/a");
    }
}
