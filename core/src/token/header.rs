//! The header: which key, and nothing that could talk us into anything else.

use super::{Algorithm, codec::encode, json};

/// What a header of ours says besides `"typ":"JWT"`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) kid: String,
}

/// The first part of every token that a key of this name signs: the header, encoded.
pub(super) fn encoded(algorithm: Algorithm, kid: &str) -> String {
    encode(format!(r#"{{"alg":"{algorithm}","typ":"JWT","kid":{}}}"#, json::quoted(kid)))
}

/// Reads exactly `alg`, `typ` and `kid`, each once and each text, and `typ` no other than `JWT`
/// (RFC 8725, section 3.11). Every other parameter is refused, whatever it says: `crit`, because
/// we understand no extension (RFC 7515, section 4.1.11), `jku`, `jwk`, `x5u` and `x5c`, because
/// they bring a key of the sender's own (RFC 8725, section 3.10), and the rest, because we never
/// write it.
pub(super) fn read(header: &str) -> Option<Header> {
    let mut members = json::members(header).ok()?;
    let mut take = |name| members.remove(name).and_then(json::text);
    let (alg, typ, kid) = (take("alg")?, take("typ")?, take("kid")?);
    (typ == "JWT" && members.is_empty()).then_some(Header { alg, kid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_alg_typ_and_kid_are_a_header() {
        let header = Some(Header { alg: "HS256".into(), kid: "a".into() });
        assert_eq!(read(r#"{"alg":"HS256","typ":"JWT","kid":"a"}"#), header);
        assert_eq!(read(r#"{"kid":"a","typ":"JWT","alg":"HS256"}"#), header);
        for bad in [
            "",
            "{}",
            "null",
            r#"["HS256","JWT","a"]"#,
            r#"{"alg":"HS256","typ":"JWT"}"#,
            r#"{"alg":"HS256","kid":"a"}"#,
            r#"{"typ":"JWT","kid":"a"}"#,
            r#"{"alg":"HS256","typ":"jwt","kid":"a"}"#,
            r#"{"alg":"HS256","typ":"at+jwt","kid":"a"}"#,
            r#"{"alg":"HS256","typ":"JWT","kid":1}"#,
            r#"{"alg":["HS256"],"typ":"JWT","kid":"a"}"#,
            r#"{"alg":"HS256","typ":null,"kid":"a"}"#,
            r#"{"Alg":"HS256","typ":"JWT","kid":"a"}"#,
            r#"{"alg":"HS256","typ":"JWT","kid":"a","kid":"a"}"#,
            r#"{"alg":"HS256","alg":"none","typ":"JWT","kid":"a"}"#,
            r#"{"alg":"HS256","typ":"JWT","kid":"a","crit":[]}"#,
            r#"{"alg":"HS256","typ":"JWT","kid":"a"}x"#,
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
