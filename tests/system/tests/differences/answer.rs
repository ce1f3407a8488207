//! An answer, as far as frameworks are to agree about it.

use std::{collections::BTreeSet, fmt, sync::LazyLock};

use logout_all_conformance::client::{ClientError, Response};
use regex::Regex;
use serde_json::Value;

/// What the server software says for itself, about the connection and the framing.
const OF_THE_SERVER: [&str; 6] =
    ["connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"];

/// What differs from run to run: tokens, ids, times.
static VARIABLE: LazyLock<[(Regex, &str); 6]> = LazyLock::new(|| {
    [
        (r"user-\d+", "{name}"),
        (r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "{token}"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "{guid}"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "{time}"),
        (r#"(expires_in|renew_after)":\d+"#, "$1\":{seconds}"),
        (r"Max-Age=[1-9]\d*", "Max-Age={seconds}"),
    ]
    .map(|(pattern, name)| (Regex::new(pattern).unwrap(), name))
});

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The connection was closed without a word.
    Closed,
    /// What came is no answer of HTTP/1.1, or came not at all.
    Other(String),
    Http {
        status: u16,
        headers: BTreeSet<String>,
        body: String,
        summary: String,
    },
}

impl Answer {
    pub(crate) fn read(received: Result<Vec<u8>, ClientError>, to_head: bool) -> Self {
        let received = match received {
            Ok(received) | Err(ClientError::Broken { received, .. }) => received,
            Err(error) => return Self::Other(error.to_string()),
        };
        if received.is_empty() {
            return Self::Closed;
        }
        match Response::parse(&of_version_1_1(&received), to_head) {
            Ok(response) => Self::of(&response),
            Err(why) => Self::Other(format!("{why}: {:?}", String::from_utf8_lossy(&received))),
        }
    }

    fn of(response: &Response) -> Self {
        let headers = response.headers().iter().map(|(name, value)| {
            let name = name.to_ascii_lowercase();
            steady(&if name == "allow" {
                format!("allow: {}", sorted(value))
            } else {
                format!("{name}: {value}")
            })
        });
        let ours =
            |line: &String| !OF_THE_SERVER.iter().any(|name| line.split(':').next() == Some(name));
        let text = String::from_utf8_lossy(response.body());
        let document: Option<Value> = serde_json::from_str(&text).ok();
        let code = document.as_ref().and_then(|document| document["code"].as_str());
        let summary = match (code, response.body().is_empty()) {
            (Some(code), _) => format!("{} {code}", response.status()),
            (None, true) => response.status().to_string(),
            (None, false) => {
                let kind = response.all("Content-Type").next().unwrap_or("untyped");
                format!("{} {}", response.status(), kind.split(';').next().unwrap_or_default())
            }
        };
        Self::Http {
            status: response.status(),
            headers: headers.filter(ours).collect(),
            body: steady(&text),
            summary,
        }
    }
}

/// A request of HTTP/1.0 may be answered in its version.
fn of_version_1_1(received: &[u8]) -> Vec<u8> {
    match received.strip_prefix(b"HTTP/1.0 ") {
        Some(rest) => [b"HTTP/1.1 ", rest].concat(),
        None => received.to_vec(),
    }
}

/// The methods of an `Allow`, in which order means nothing.
fn sorted(methods: &str) -> String {
    let set: BTreeSet<&str> = methods.split(',').map(str::trim).collect();
    set.into_iter().collect::<Vec<_>>().join(", ")
}

fn steady(text: &str) -> String {
    VARIABLE.iter().fold(text.to_owned(), |text, (pattern, name)| {
        pattern.replace_all(&text, *name).into_owned()
    })
}

/// How the page tells different answers apart: by their summaries, and by the headers and bodies
/// that not all of them have where the summaries are one. None where the answers are equal.
pub(crate) fn told_apart(answers: &[&Answer]) -> Option<Vec<String>> {
    if answers.windows(2).all(|pair| pair[0] == pair[1]) {
        return None;
    }
    let cells = answers.iter().map(|answer| match answer {
        Answer::Closed => "closed".to_owned(),
        Answer::Other(_) => "no answer".to_owned(),
        Answer::Http { status, headers, body, summary } => {
            let alike = answers.iter().filter(|other| other.status() == Some(*status));
            let mut cell = summary.clone();
            let shared = |line: &String| {
                alike.clone().all(|other| matches!(other, Answer::Http { headers, .. } if headers.contains(line)))
            };
            for line in headers.iter().filter(|line| !shared(line) && !line.starts_with("content-type")) {
                cell.push_str("; ");
                cell.push_str(line);
            }
            let bodies = alike.clone().all(|other| matches!(other, Answer::Http { body: other, .. } if other == body));
            if !bodies && alike.clone().all(|other| matches!(other, Answer::Http { summary: other, .. } if other == summary)) {
                cell.push_str("; body ");
                cell.push_str(&body.escape_debug().to_string());
            }
            cell
        }
    });
    Some(cells.map(|cell| cell.replace('|', "\\|")).collect())
}

impl Answer {
    fn status(&self) -> Option<u16> {
        match self {
            Self::Http { status, .. } => Some(*status),
            _ => None,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed"),
            Self::Other(why) => f.write_str(why),
            Self::Http { status, headers, body, .. } => {
                write!(f, "{status} {headers:?} {:?}", body.chars().take(300).collect::<String>())
            }
        }
    }
}
