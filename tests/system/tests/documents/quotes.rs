//! What the cases quote stands in the documents: prose that nobody runs would go its own way.

use std::{fs, path::Path};

/// "one function per case; its doc quotes the sentence that it proves"
#[test]
fn the_cases_quote_what_the_documents_say() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let pages: String = texts(&root.join("docs"), "md").into_iter().map(|(_, text)| text).collect();
    let pages = words(&pages);
    let (mut quotes, mut wrong) = (0, Vec::new());
    for (file, source) in texts(&root.join("tests/conformance/src/cases"), "rs") {
        for part in comments(&source).iter().flat_map(|comment| quoted(comment)) {
            quotes += 1;
            if !pages.contains(&words(&part)) {
                wrong.push(format!("{file}: {part:?}"));
            }
        }
    }
    assert!(quotes > 150, "only {quotes} quotations were found");
    assert!(wrong.is_empty(), "no document says: {wrong:#?}");
}

fn texts(folder: &Path, extension: &str) -> Vec<(String, String)> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let wanted = paths.filter(|path| path.extension().is_some_and(|found| found == extension));
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    wanted.map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect()
}

/// The comments of a source, each as one line.
fn comments(source: &str) -> Vec<String> {
    let mut comments = vec![String::new()];
    for line in source.lines().map(str::trim_start) {
        match line.strip_prefix("//") {
            Some(text) => {
                let last = comments.last_mut().unwrap();
                last.push_str(text.trim_start_matches(['/', '!']));
            }
            None => comments.push(String::new()),
        }
    }
    comments
}

/// What stands between quotation marks, but for those inside code, in parts where it leaves
/// something out.
fn quoted(comment: &str) -> Vec<String> {
    let mut texts = vec![String::new()];
    let mut in_code = false;
    for character in comment.chars() {
        match character {
            '`' => in_code = !in_code,
            '"' if !in_code => texts.push(String::new()),
            other => texts.last_mut().unwrap().push(other),
        }
    }
    let inside = texts.into_iter().skip(1).step_by(2);
    let parts: Vec<String> =
        inside.flat_map(|text| text.split('…').map(str::to_owned).collect::<Vec<_>>()).collect();
    parts.into_iter().filter(|part| !words(part).is_empty()).collect()
}

/// Letters and digits alone: not emphasis, the lines of tables, or where a line breaks.
fn words(text: &str) -> String {
    let spaced: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' })
        .collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}
