//! Where in an event an error is, as a path of fields: `order.items[2].count`.

/// What the reader of a path is in.
enum Level {
    /// An object, with the key that it read last.
    Object(String),
    /// An array, with the index of the value that comes next.
    Array(usize),
}

/// The path of the value that ends at, or holds, a place in a JSON text. The place is one that `serde_json` names: lines
/// and columns count from 1, columns count bytes. The text is valid up to there.
pub(crate) fn path_at(text: &[u8], line: usize, column: usize) -> String {
    let end = offset_of(text, line, column);
    let mut levels: Vec<Level> = Vec::new();
    let mut at = 0;
    let mut expects_key = false;
    while at < end {
        let byte = text[at];
        at += 1;
        match byte {
            b'{' => {
                levels.push(Level::Object(String::new()));
                expects_key = true;
            }
            b'[' => levels.push(Level::Array(0)),
            // The error of a missing field is placed at the end of its object, so the object is what is named.
            b'}' | b']' => {
                levels.pop();
                expects_key = false;
            }
            b',' => match levels.last_mut() {
                Some(Level::Array(index)) => *index += 1,
                _ => expects_key = true,
            },
            b'"' => {
                let start = at - 1;
                at = end_of_string(text, at);
                if let (true, Some(Level::Object(key))) = (expects_key, levels.last_mut()) {
                    *key = serde_json::from_slice(&text[start..at]).unwrap_or_default();
                    expects_key = false;
                }
            }
            _ => {}
        }
    }
    written(&levels)
}

/// The offset of a line and a column, at most the text's length.
fn offset_of(text: &[u8], line: usize, column: usize) -> usize {
    let before: usize = text
        .split_inclusive(|byte| *byte == b'\n')
        .take(line.saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    text.len().min(before + column)
}

/// The offset after the closing quote of a string whose content begins at an offset.
fn end_of_string(text: &[u8], mut at: usize) -> usize {
    while at < text.len() {
        match text[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

fn written(levels: &[Level]) -> String {
    let mut path = String::new();
    for level in levels {
        match level {
            Level::Array(index) => path += &format!("[{index}]"),
            Level::Object(key) if key.is_empty() => {}
            Level::Object(key) if path.is_empty() => path += key,
            Level::Object(key) => path += &format!(".{key}"),
        }
    }
    if path.is_empty() {
        path += "the whole event";
    }
    path
}

#[cfg(test)]
mod tests {
    use super::path_at;

    fn path_of<'a, T: serde::Deserialize<'a>>(text: &'a str) -> String {
        let Err(error) = serde_json::from_str::<T>(text) else {
            panic!("{text} fits");
        };
        path_at(text.as_bytes(), error.line(), error.column())
    }

    #[derive(serde::Deserialize)]
    #[allow(dead_code)]
    struct Order {
        id: String,
        #[serde(default)]
        items: Vec<Item>,
    }

    #[derive(serde::Deserialize)]
    #[allow(dead_code)]
    struct Item {
        count: u32,
        #[serde(default)]
        name: String,
    }

    #[test]
    fn names_the_field() {
        for (text, path) in [
            (r#"{"id": 1}"#, "id"),
            (r#"{"id": "a", "items": 7}"#, "items"),
            (
                r#"{"id": "a", "items": [{"count": 1}, {"count": "x"}]}"#,
                "items[1].count",
            ),
            (r#"{"id": "a", "items": [{"count": -1}]}"#, "items[0].count"),
            (
                "{\n \"id\": \"a\",\n \"items\": [{\"count\": 1,\n \"name\": null}]}",
                "items[0].name",
            ),
            (
                r#"{"id": "}],{\"", "items": [{"name": "]}", "count": true}]}"#,
                "items[0].count",
            ),
        ] {
            assert_eq!(path_of::<Order>(text), path, "{text}");
        }
    }

    #[test]
    fn names_the_object_that_lacks_a_field() {
        assert_eq!(path_of::<Order>("{}"), "the whole event");
        assert_eq!(
            path_of::<Order>(r#"{"id": "a", "items": [{"count": 1}, {"name": "b"}]}"#),
            "items[1]"
        );
    }

    #[test]
    fn names_the_whole_event() {
        assert_eq!(path_of::<Order>("[]"), "the whole event");
        assert_eq!(path_of::<u8>("\"x\""), "the whole event");
    }
}
