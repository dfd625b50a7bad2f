use super::*;

const IDENTITY: Identity<'_> = Identity { command: "enroll", digest: "d1" };

fn place(student: &str) -> Place {
    Place { student_id: student.parse().unwrap(), course_id: "rust-101".parse().unwrap() }
}

fn since() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(1_795_000_000_123_456_789).unwrap()
}

fn refused() -> LineResult {
    LineResult::Refused { code: "differs", why: "another email,\nand so on".to_owned() }
}

fn file() -> Vec<u8> {
    let mut bytes = Vec::new();
    begin(&mut bytes, &IDENTITY, since()).unwrap();
    write(&mut bytes, 2, &place("s,1"), &LineResult::Enrolled).unwrap();
    write(&mut bytes, 4, &place("s-2"), &refused()).unwrap();
    bytes
}

#[test]
fn results_are_read_as_they_were_written() {
    let bytes = file();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "line,student_id,course_id,result,code,detail");
    assert_eq!(lines[1], "1,,,started,enroll,2026-11-18T11:06:40.123456789Z d1");
    assert_eq!(lines[2], "2,\"s,1\",rust-101,enrolled,,");
    assert_eq!(lines[3], "4,s-2,rust-101,refused,differs,\"another email, and so on\"");
    let found = recorded(&bytes, &IDENTITY).unwrap().unwrap();
    assert_eq!((found.since, found.done), (since(), HashSet::from([2, 4])));
    assert_eq!(found.totals.text(), "1 enrolled, 1 refused (1 differs)");
    assert_eq!((found.totals.lines(), found.length), (2, text.len() as u64));
    assert_eq!(recorded(b"", &IDENTITY), Ok(None));
}

#[test]
fn file_that_is_cut_anywhere_has_the_results_before_the_cut() {
    let bytes = file();
    for length in 0..bytes.len() {
        let found = recorded(&bytes[..length], &IDENTITY).unwrap();
        let complete = bytes[..length].split(|byte| *byte == b'\n').count() - 1;
        assert_eq!(found.is_some(), complete >= 2, "{length}");
        if let Some(found) = found {
            assert_eq!(found.done.len(), complete - 2);
            assert!(bytes[..usize::try_from(found.length).unwrap()].ends_with(b"\n"));
        }
    }
}

#[test]
fn results_of_another_run_are_not_continued() {
    let bytes = file();
    let as_another = |identity: &Identity<'_>| recorded(&bytes, identity).unwrap_err();
    let unenroll = Identity { command: "unenroll", ..IDENTITY };
    assert_eq!(as_another(&unenroll), NotOurs::Command("enroll".to_owned()));
    assert_eq!(as_another(&Identity { digest: "d2", ..IDENTITY }), NotOurs::Version);
    for (text, line) in [
        ("student_id,course_id\n", 1),
        ("line,student_id,course_id,result,code,detail\n2,s,c,enrolled,,\n", 2),
    ] {
        assert_eq!(recorded(text.as_bytes(), &IDENTITY), Err(NotOurs::Line(line)), "{text}");
    }
    let mut twice = bytes.clone();
    write(&mut twice, 2, &place("s-1"), &LineResult::Already).unwrap();
    assert_eq!(recorded(&twice, &IDENTITY), Err(NotOurs::Line(5)));
    let mut notes = bytes;
    notes.extend(b"a note\n");
    assert_eq!(recorded(&notes, &IDENTITY), Err(NotOurs::Line(5)));
}

/// A directory of its own, which ends with the test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("registrar-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn second_run_waits_for_nothing_and_a_later_one_continues_after_a_cut_line() {
    let directory = Directory::new("results");
    let input = directory.0.join("class.csv");
    assert_eq!(ResultsFile::peek(&input, &IDENTITY).unwrap(), None);
    let (mut file, fresh) = ResultsFile::open(&input, &IDENTITY, since()).unwrap();
    assert_eq!((fresh.since, fresh.done.len()), (since(), 0));
    file.write(2, &place("s-1"), &LineResult::Enrolled).unwrap();
    let second = ResultsFile::open(&input, &IDENTITY, since()).unwrap_err();
    assert!(matches!(second, ResultsError::Locked { .. }), "{second}");
    assert!(second.to_string().contains("class.csv.results.csv: another run"), "{second}");
    file.file.write_all(b"3,s-2,rust").unwrap();
    drop(file);

    let later = since() + time::Duration::DAY;
    let (mut file, found) = ResultsFile::open(&input, &IDENTITY, later).unwrap();
    assert_eq!((found.since, found.done), (since(), HashSet::from([2])));
    file.write(3, &place("s-2"), &LineResult::Granted).unwrap();
    drop(file);
    let found = ResultsFile::peek(&input, &IDENTITY).unwrap().unwrap();
    assert_eq!(found.totals.text(), "1 enrolled, 1 granted");
}
