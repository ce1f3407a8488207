//! What no file may hold.

use crate::violation::Violation;

/// Longer, and a file has more than one subject.
const LINES: usize = 450;

pub(crate) fn too_long(path: &str, text: &str) -> Vec<Violation> {
    let lines = text.lines().count();
    let violation = || Violation {
        who: path.to_owned(),
        what: format!("has {lines} lines, and {LINES} are the most"),
        to_do: "part it by subject",
    };
    (lines > LINES).then(violation).into_iter().collect()
}

/// Words that say that something is not done; in pieces, so that this file holds none.
const LEFT_OVERS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
    concat!("db", "g!"),
];

pub(crate) fn left_overs(path: &str, text: &str) -> Vec<Violation> {
    find(path, text, LEFT_OVERS, "do it, or open an issue and take the words out", |around| {
        !around.is_alphanumeric() && around != '_'
    })
}

/// The file has something public that its documentation does not show.
pub(crate) fn hidden(path: &str, text: &str) -> Vec<Violation> {
    let to_do = "document it, or make it private: authors elsewhere use what is public";
    find(path, text, &[concat!("doc(hid", "den)")], to_do, |_| true)
}

/// Where people keep their own files.
const HOMES: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
    concat!("\\Us", "ers\\"),
];

/// The file names a place on someone's machine, or this very folder.
pub(crate) fn machine_paths(root: &str, path: &str, text: &str) -> Vec<Violation> {
    let places = [HOMES, &[root]].concat();
    find(path, text, &places, "write it from the root of the repository", |before| {
        !before.is_alphanumeric() && !['_', '.', '-', '}'].contains(&before)
    })
}

/// The lines that hold one of the words. Before a word, or after one that ends in a letter, no
/// letter may stand for it to count: `borders` tells which do not continue it.
fn find(
    path: &str,
    text: &str,
    words: &[&str],
    to_do: &'static str,
    borders: impl Fn(char) -> bool,
) -> Vec<Violation> {
    let stands_alone = |line: &str, at: usize, word: &str| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let open = word.ends_with(char::is_alphanumeric);
        before.is_none_or(&borders) && (!open || after.is_none_or(&borders))
    };
    let mut violations = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let found = words.iter().filter(|word| {
            line.match_indices(**word).any(|(at, word)| stands_alone(line, at, word))
        });
        violations.extend(found.map(|word| Violation {
            who: format!("{path}:{}", index + 1),
            what: format!("holds `{word}`"),
            to_do,
        }));
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_told() {
        assert_eq!(too_long("a.rs", &"\n".repeat(LINES)).len(), 0);
        assert_eq!(too_long("a.rs", &"\n".repeat(LINES + 1)).len(), 1);
    }

    #[test]
    fn left_overs_are_told_as_whole_words() {
        for word in LEFT_OVERS {
            assert_eq!(
                left_overs("a.rs", &format!("let x = 1;\n    {word}(x)")).len(),
                1,
                "{word}"
            );
            assert_eq!(left_overs("a.rs", &format!("a{word}")).len(), 0, "{word}");
        }
        assert_eq!(left_overs("a.rs", &format!("{}S", LEFT_OVERS[0])).len(), 0);
    }

    #[test]
    fn a_hidden_item_is_told() {
        let attribute = concat!("#[doc(hid", "den)]");
        assert_eq!(hidden("a.rs", &format!("{attribute}\npub fn a() {{}}")).len(), 1);
        assert_eq!(hidden("a.rs", "/// Hidden.\npub fn a() {}").len(), 0);
    }

    #[test]
    fn paths_of_a_machine_are_told() {
        let told = |text: &str| machine_paths("/srv/build/clone", "a.md", text).len();

        assert_eq!(told(&format!("see `{}ada/x`", HOMES[0])), 1);
        assert_eq!(told("in /srv/build/clone/target"), 1);
        assert_eq!(told(&format!("https://example.org{}", HOMES[0])), 0);
        assert_eq!(told("/sessions/ and /srv/app"), 0);
    }
}
