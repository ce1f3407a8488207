//! The devices page: its files, and the headers that keep it to them.

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Its path on the server.
    pub path: &'static str,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// What is in it.
    pub body: &'static str,
}

/// All of them.
pub const FILES: [File; 4] = [
    File {
        path: "/",
        content_type: "text/html; charset=utf-8",
        body: include_str!("../../page/index.html"),
    },
    File {
        path: "/style.css",
        content_type: "text/css; charset=utf-8",
        body: include_str!("../../page/style.css"),
    },
    File {
        path: "/client.js",
        content_type: "text/javascript; charset=utf-8",
        body: include_str!("../../page/client.js"),
    },
    File {
        path: "/page.js",
        content_type: "text/javascript; charset=utf-8",
        body: include_str!("../../page/page.js"),
    },
];

/// On each file: scripts and styles from here alone and none in line, no frame around it (nobody
/// else's page may cover the buttons), no form that leaves the script, no address passed on.
pub const HEADERS: [(&str, &str); 3] = [
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
         img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// What the page asks for is there, and nothing in it needs a looser policy.
    #[test]
    fn the_page_finds_its_files_and_has_nothing_in_line() {
        let page = FILES[0].body;
        for file in &FILES[1..] {
            let name = file.path.trim_start_matches('/');
            assert!(FILES.iter().any(|file| file.body.contains(name)), "nobody uses {name}");
        }
        for inline in ["<style", " style=", "<script>", " onclick=", " onsubmit=", "javascript:"] {
            assert!(!page.contains(inline), "{inline}");
        }
    }
}
