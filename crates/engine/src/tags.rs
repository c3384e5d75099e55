//! Which tasks `--tags` and `--skip-tags` leave.

/// Is a task with `tags` run?
///
/// `always` runs unless skipped by name, `never` only when one of its tags is asked for; `tagged`, `untagged` and
/// `all` may be asked for and skipped.
pub fn selected(tags: &[String], only: &[String], skip: &[String]) -> bool {
    let has = |wanted: &str| tags.iter().any(|tag| tag == wanted);
    let asks = |list: &[String], word: &str| list.iter().any(|tag| tag == word);
    let tagged = !tags.is_empty();
    let named = |list: &[String]| list.iter().any(|tag| has(tag));
    let all = only.is_empty() || asks(only, "all");
    let run = if all {
        !has("never") || named(only)
    } else {
        has("always")
            || named(only)
            || (asks(only, "tagged") && tagged && !has("never"))
            || (asks(only, "untagged") && !tagged)
    };
    if !run || skip.is_empty() {
        return run;
    }
    let skipped = if asks(skip, "all") {
        // `always` survives --skip-tags all unless it is named as well.
        !has("always") || asks(skip, "always")
    } else {
        named(skip) || (asks(skip, "tagged") && tagged) || (asks(skip, "untagged") && !tagged)
    };
    !skipped
}

#[cfg(test)]
mod tests {
    use super::selected;

    fn case(tags: &str, only: &str, skip: &str) -> bool {
        let list = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        selected(&list(tags), &list(only), &list(skip))
    }

    #[test]
    fn as_ansible_selects() {
        for (tags, only, skip, runs) in [
            ("", "", "", true),
            ("a", "a", "", true),
            ("a", "b", "", false),
            ("", "a", "", false),
            ("always", "a", "", true),
            ("never", "", "", false),
            ("never a", "a", "", true),
            ("never", "never", "", true),
            ("a", "tagged", "", true),
            ("", "tagged", "", false),
            ("", "untagged", "", true),
            ("a", "untagged", "", false),
            ("a", "", "a", false),
            ("a b", "a", "b", false),
            ("always", "", "always", false),
            ("always", "", "all", true),
            ("a", "", "all", false),
            ("a", "", "tagged", false),
            ("", "", "tagged", true),
            ("", "", "untagged", false),
            ("a", "all", "", true),
        ] {
            assert_eq!(case(tags, only, skip), runs, "tags={tags} only={only} skip={skip}");
        }
    }
}
