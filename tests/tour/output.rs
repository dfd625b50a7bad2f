//! Whether a command printed what the page says.

const ANY: &str = "…";

/// `…` stands for any text within a line, and a line that is only `…` for any number of lines. White space at the end of
/// a line does not count.
pub(crate) fn matches(expected: &str, printed: &str) -> bool {
    let lines = |text| str::trim_end(text).lines().map(str::trim_end).collect::<Vec<_>>();
    have_lines(&lines(expected), &lines(printed))
}

fn have_lines(expected: &[&str], printed: &[&str]) -> bool {
    match expected {
        [] => printed.is_empty(),
        [ANY, rest @ ..] => {
            (0..=printed.len()).any(|skipped| have_lines(rest, &printed[skipped..]))
        }
        [line, rest @ ..] => printed
            .split_first()
            .is_some_and(|(first, others)| is_line(line, first) && have_lines(rest, others)),
    }
}

fn is_line(expected: &str, printed: &str) -> bool {
    let Some((start, rest)) = expected.split_once(ANY) else { return expected == printed };
    let Some(printed) = printed.strip_prefix(start) else { return false };
    (0..=printed.len())
        .filter(|&at| printed.is_char_boundary(at))
        .any(|at| is_line(rest, &printed[at..]))
}

#[test]
fn text_must_be_the_same_except_for_what_is_left_out() {
    for (expected, printed, same) in [
        ("a\nb", "a\nb\n", true),
        ("a\nb", "a\nb  \n", true),
        ("a", "a\nb", false),
        ("a\nb", "a", false),
        ("sent in … s", "sent in 41 s", true),
        ("sent in … s", "sent in 41 min", false),
        ("…: … sent", "ab: 1 sent", true),
        ("…b…", "abb", true),
        ("ü…", "üñ", true),
        ("a…c", "a\nc", false),
        ("…\nz", "a\nb\nz", true),
        ("…\nz", "z", true),
        ("a\n…", "a", true),
        ("a\n…\nz", "a\nb\ny", false),
        ("a\n…\nb\n…\nc", "a\nx\nb\nb\ny\nc", true),
        ("", "", true),
        ("", "a", false),
    ] {
        assert_eq!(matches(expected, printed), same, "{expected:?}, {printed:?}");
    }
}
