use serde_json::json;

use super::*;

const COLUMNS: [Column; 3] = [
    Column::required("id", Kind::Text),
    Column::optional("seats", Kind::Number),
    Column::optional("note", Kind::Text),
];

fn sheet(text: &str) -> Sheet {
    Sheet::read(text.as_bytes().to_vec(), &COLUMNS).unwrap()
}

fn refused(bytes: &[u8]) -> Vec<String> {
    let problems = Sheet::read(bytes.to_vec(), &COLUMNS).unwrap_err();
    problems.iter().map(Problem::to_string).collect()
}

fn rows(text: &str) -> Vec<(u64, Value)> {
    let sheet = sheet(text);
    sheet.rows().map(|row| row.unwrap()).map(|row| (row.line, Value::Object(row.fields))).collect()
}

#[test]
fn columns_may_have_any_order_and_an_empty_cell_is_missing() {
    let expected = vec![
        (2, json!({"id": "a", "seats": 7, "note": "one, \"two\""})),
        (3, json!({"id": "b", "seats": "many"})),
    ];
    let text = "seats,note,id\n7,\"one, \"\"two\"\"\",a\nmany,,b\n";
    assert_eq!(rows(text), expected);
    assert_eq!(rows(&format!("\u{feff}{}", text.replace('\n', "\r\n"))), expected);
    assert_eq!(rows(text.trim_end()), expected);
    assert_eq!(sheet(text).digest(), sheet(&format!("\u{feff}{text}")).digest());
    assert!(sheet("id\na").has("id") && !sheet("id\na").has("note"));
}

#[test]
fn line_number_is_that_of_an_editor_after_quoted_and_empty_lines() {
    let found = rows("id,note\na,\"one\ntwo\"\n\nb,x\n\n\nc,y\n");
    let numbers: Vec<_> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(numbers, [2, 5, 8]);
}

#[test]
fn wrong_header_names_every_column() {
    assert_eq!(refused(b""), ["line 1: is missing: the file is empty"]);
    assert_eq!(refused(b"id\n"), ["line 1: is the only line: there is nothing to do"]);
    let problems = refused(b"note,colour,note\nx,y,z\n");
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert_eq!(
        problems[0],
        "line 1, column colour: is unknown; the columns, separated by commas, are id, seats, note"
    );
    assert_eq!(problems[1], "line 1, column note: is there twice");
    assert_eq!(problems[2], "line 1, column id: is missing");
    let semicolons = refused(b"id;seats;note\na;1;b\n");
    assert!(semicolons[0].starts_with("line 1, column id;seats;note: is unknown"));
}

#[test]
fn every_problem_of_every_line_is_found_with_its_column() {
    let read = |row: &Row| match row.fields.get("note") {
        Some(_) => Err(vec![Problem::of_column(row.line, "note", "is bad")]),
        None => Ok(row.fields["id"].to_string()),
    };
    let bytes = b"id,note\na,\nb,\xff\nc\nd,x\na,\n,,\n".to_vec();
    let sheet = Sheet::read(bytes, &COLUMNS).unwrap();
    let (count, problems) = sheet.check(read, Clone::clone);
    assert_eq!(count, 6);
    let error = problems.into_result(Path::new("class.csv")).unwrap_err().to_string();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(
        lines,
        [
            "class.csv: line 3, column note: is not UTF-8",
            "class.csv: line 4: has 1 cells, and the header has 2",
            "class.csv: line 5, column note: is bad",
            "class.csv: line 6: is about the same as line 2",
            "class.csv: line 7: has 3 cells, and the header has 2",
            "nothing was changed",
        ]
    );
}

#[test]
fn quote_that_is_not_closed_is_not_a_short_file() {
    let sheet = sheet("id,note\na,\"b\nc,d\n");
    let (count, _) = sheet.check(|row| Ok(row.fields["id"].to_string()), Clone::clone);
    assert_eq!(count, 1, "the rest is one cell with line breaks, which no field may have");
}

#[test]
fn many_problems_are_counted() {
    let text = format!("id\n{}", "a\n".repeat(150));
    let (_, problems) = sheet(&text).check(|row| Ok(row.fields["id"].to_string()), Clone::clone);
    let error = problems.into_result(Path::new("f")).unwrap_err().to_string();
    assert!(error.contains("and 49 more problems"), "{error}");
    assert_eq!(error.lines().count(), MAX_PRINTED + 2);
}

#[test]
fn file_that_cannot_be_read_is_named() {
    let error = Sheet::open(Path::new("no-such-file.csv"), &COLUMNS).unwrap_err().to_string();
    assert!(error.starts_with("no-such-file.csv: "), "{error}");
}
