//! Reads text, line by line where a line is a record, and whole JSON documents where it is not.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use memchr::memchr2;
use pacer::audit::Arrival;
use serde::de::DeserializeSeed;

use super::{
    attempts::Attempts,
    brackets::{Brackets, NotJson, may_begin},
    csv,
    failure::Failure,
    finders::{Finders, GZIP},
    json::{Found, GZIP_IN_BASE64, ReadStrings, Walk},
    log::{AttemptScanner, EVENT},
    report::{Format, ReadError, Records},
};

const READ_BUFFER_BYTES: usize = 256 * 1024;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Envelopes in envelopes: a subscription's record in a Firehose record in a compressed file has four.
const MAX_DEPTH: usize = 12;

struct Reader {
    found: Found,
    find: Finders,
    scanner: AttemptScanner,
    csv: Csv,
    /// Whether a send was mentioned. Then a line that is not CSV is part of a log.
    is_log: bool,
    /// Strings in which the text is that is read.
    envelopes: usize,
    /// Compressed data in which the text is that is read.
    depth: usize,
}

/// What is read as CSV as long as no send is mentioned: a log may begin with lines that are not JSON.
#[derive(Default)]
struct Csv {
    arrivals: Vec<Arrival>,
    has_header: bool,
    error: Option<ReadError>,
    /// The line of the first arrival.
    first: usize,
}

/// Lines that are read together, because JSON spans them.
struct Document {
    first_line: usize,
    text: Vec<u8>,
    brackets: Brackets,
}

/// The result of reading a line or a document.
enum Values {
    Read,
    /// The JSON that begins at this byte does not end.
    Unfinished(usize),
}

impl Records {
    /// Reads all of `input`, and detects its format.
    pub fn read(mut input: impl BufRead) -> Result<Self, ReadError> {
        Reader::new().read(&mut input)
    }
}

impl Reader {
    fn new() -> Self {
        Self {
            found: Found::default(),
            find: Finders::new(),
            scanner: AttemptScanner::new(),
            csv: Csv::default(),
            is_log: false,
            envelopes: 0,
            depth: 0,
        }
    }

    fn read(mut self, input: &mut dyn BufRead) -> Result<Records, ReadError> {
        self.source(input)?;
        let Self { found: Found { sends, skipped, has_envelopes, .. }, csv, .. } = self;
        if self.is_log || !sends.is_empty() {
            if sends.is_empty() {
                return Err(ReadError::NoRecords);
            }
            if !csv.arrivals.is_empty() {
                let problem = "a time in a log: it is not known whether it is a send".into();
                return Err(ReadError::Line { line: csv.first, problem });
            }
            let format = if has_envelopes { Format::LogEvents } else { Format::JsonLines };
            let Attempts { arrivals, unended } = Attempts::of(&sends);
            return Ok(Records { arrivals, unended, skipped, format });
        }
        match csv.error {
            Some(error) => Err(error),
            None if csv.arrivals.is_empty() => Err(ReadError::NoRecords),
            None => Ok(Records {
                arrivals: csv.arrivals,
                unended: 0,
                skipped: csv.has_header.into(),
                format: Format::Csv,
            }),
        }
    }

    /// Text, or text that is compressed any number of times.
    fn source(&mut self, input: &mut dyn BufRead) -> Result<(), ReadError> {
        let mut head = Vec::new();
        input.take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut head)?;
        if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
            let problem = "is UTF-16; convert the file to UTF-8".into();
            return Err(ReadError::Line { line: 1, problem });
        }
        let is_compressed = head.starts_with(&GZIP);
        if head == BYTE_ORDER_MARK {
            head.clear();
        }
        let mut whole = Cursor::new(head).chain(input);
        if !is_compressed {
            return self.text(&mut whole);
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let problem = format!("is compressed more than {MAX_DEPTH} times");
            return Err(ReadError::Line { line: 1, problem });
        }
        let mut text = BufReader::with_capacity(READ_BUFFER_BYTES, MultiGzDecoder::new(&mut whole));
        let read = self.source(&mut text).map_err(|error| match error {
            ReadError::Io(error) => {
                ReadError::Io(io::Error::new(error.kind(), format!("compressed data: {error}")))
            }
            error => error,
        });
        self.depth -= 1;
        read
    }

    fn text(&mut self, input: &mut dyn BufRead) -> Result<(), ReadError> {
        let mut line = Vec::new();
        let mut open: Option<Document> = None;
        for number in 1.. {
            line.clear();
            if input.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let Some(mut document) = open.take() else {
                if let Some(begins) = self.line(&line, number, MayOpen::Yes)? {
                    let mut brackets = Brackets::default();
                    let read = brackets.read(&line[begins..]);
                    if read.is_err() || brackets.are_closed() {
                        self.line(&line, number, MayOpen::No)?;
                    } else {
                        let text = std::mem::take(&mut line);
                        open = Some(Document { first_line: number, text, brackets });
                    }
                }
                continue;
            };
            document.text.extend_from_slice(&line);
            match document.brackets.read(&line) {
                Ok(()) if document.brackets.are_closed() => self.document(&document)?,
                Ok(()) => open = Some(document),
                Err(NotJson) => self.each_line(&document)?,
            }
        }
        open.map_or(Ok(()), |document| self.each_line(&document))
    }

    /// Returns where a document begins, if this line begins one; nothing of the line is then counted.
    fn line(
        &mut self,
        bytes: &[u8],
        number: usize,
        may_open: MayOpen,
    ) -> Result<Option<usize>, ReadError> {
        let line = bytes.trim_ascii();
        if line.is_empty() {
            return Ok(None);
        }
        let indent = bytes.len() - bytes.trim_ascii_start().len();
        let mention = self.find.mention(line);
        let (mentions, hides) = (mention.is_some(), self.find.may_hide(line));
        self.is_log |= mentions;
        if let Some(mention) = mention
            && !hides
            && let Some(send) = self.scanner.scan(line, mention)
        {
            self.found.sends.push(send);
            return Ok(None);
        }
        if !mentions && !hides {
            let begins = (may_open == MayOpen::Yes).then(|| opening(line)).flatten();
            if begins.is_none() {
                self.other_line(line, number);
            }
            return Ok(begins.map(|begins| indent + begins));
        }
        if line.windows(GZIP.len()).any(|bytes| bytes == GZIP) {
            let problem = "has compressed data in the middle of text".into();
            return Err(ReadError::Line { line: number, problem });
        }
        let before = self.counts();
        let unquoted = self.find.without_csv_quotes(line);
        let values = self.values(unquoted.as_deref().unwrap_or(line), Gaps::AreLines);
        match values.map_err(|failure| failure.at_line(number))? {
            Values::Unfinished(begins) if may_open == MayOpen::Yes && unquoted.is_none() => {
                (self.found.events, self.found.skipped) = (before.events, before.skipped);
                self.found.sends.truncate(before.sends);
                return Ok(Some(indent + begins));
            }
            Values::Unfinished(_) => {
                return Err(
                    Failure::from(self.find.unreadable(line, "it does not end")).at_line(number)
                );
            }
            Values::Read if self.counts() != before => {}
            Values::Read if mentions => self.found.skipped += 1,
            Values::Read => self.other_line(line, number),
        }
        Ok(None)
    }

    /// A line that neither is nor holds a send, unless the input is CSV.
    fn other_line(&mut self, line: &[u8], number: usize) {
        let is_header = number == 1 && !line.iter().any(u8::is_ascii_digit);
        let may_be_csv = matches!(line[0], b'0'..=b'9' | b'-' | b'"');
        self.found.skipped += 1;
        if self.envelopes > 0 || (!may_be_csv && (self.is_log || self.csv.error.is_some())) {
            return;
        }
        if is_header {
            self.csv.has_header = true;
            return;
        }
        let read = if line.contains(&b'{') { Err(no_record()) } else { csv::arrival(line) };
        match read {
            Ok(arrival) => {
                if self.csv.arrivals.is_empty() {
                    self.csv.first = number;
                }
                self.csv.arrivals.push(arrival);
            }
            Err(problem) => {
                self.csv.error.get_or_insert(ReadError::Line { line: number, problem });
            }
        }
    }

    fn document(&mut self, document: &Document) -> Result<(), ReadError> {
        let before = self.counts();
        let line = document.first_line;
        let values = self.values(&document.text, Gaps::AreLines);
        match values.map_err(|failure| failure.at_line(line))? {
            Values::Unfinished(_) => {
                (self.found.events, self.found.skipped) = (before.events, before.skipped);
                self.found.sends.truncate(before.sends);
                self.each_line(document)?;
            }
            Values::Read if self.counts() == before => {
                self.found.skipped += 1;
                self.csv.error.get_or_insert(ReadError::Line { line, problem: no_record() });
            }
            Values::Read => {}
        }
        Ok(())
    }

    /// The lines of what is not a document after all.
    fn each_line(&mut self, document: &Document) -> Result<(), ReadError> {
        let lines = document.text.split_inclusive(|byte| *byte == b'\n');
        for (number, line) in (document.first_line..).zip(lines) {
            self.line(line, number, MayOpen::No)?;
        }
        Ok(())
    }

    /// Reads all JSON in the text.
    fn values(&mut self, text: &[u8], gaps: Gaps) -> Result<Values, Failure> {
        let (mut at, mut read) = (0, 0);
        while let Some(found) = memchr2(b'{', b'[', &text[at..]) {
            let begins = at + found;
            let rest = &text[begins..];
            at = begins + 1;
            if !may_begin(rest) {
                continue;
            }
            let end = match Brackets::default().until_closed(rest) {
                Ok(Some(length)) => begins + length,
                Ok(None) if self.find.concerns(rest) => return Ok(Values::Unfinished(begins)),
                Err(NotJson) if self.find.concerns(rest) => {
                    return Err(self.find.unreadable(rest, "its brackets do not match").into());
                }
                // Nothing in the rest matters.
                Ok(None) | Err(NotJson) => break,
            };
            self.value(&text[begins..end])?;
            self.gap(&text[read..begins], gaps)?;
            (at, read) = (end, end);
        }
        self.gap(&text[read..], gaps)?;
        Ok(Values::Read)
    }

    fn value(&mut self, json: &[u8]) -> Result<(), Failure> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let read = Walk::top(self).deserialize(&mut deserializer);
        match (read, self.found.failure.take()) {
            (_, Some(failure)) => Err(failure),
            (Err(error), None) if self.find.concerns(json) => {
                Err(self.find.unreadable(json, &error.to_string()).into())
            }
            _ => Ok(()),
        }
    }

    /// Text between JSON values.
    fn gap(&mut self, text: &[u8], gaps: Gaps) -> Result<(), Failure> {
        if self.find.mention(text).is_some()
            && (gaps == Gaps::AreLines || self.find.has_attempt_time(text))
        {
            return Err("mentions a send, but is not JSON".to_owned().into());
        }
        if let (Gaps::AreLines, Some(begins)) = (gaps, self.find.gzip_in_base64(text)) {
            let end = text[begins..].iter().position(|byte| !is_base64(*byte));
            let end = end.map_or(text.len(), |length| begins + length);
            self.encoded(&String::from_utf8_lossy(&text[begins..end]))?;
            return self.gap(&text[end..], gaps);
        }
        Ok(())
    }

    fn enter(&mut self) -> Result<(), Failure> {
        self.envelopes += 1;
        if self.envelopes > MAX_DEPTH {
            return Err(format!("has more than {MAX_DEPTH} envelopes in each other").into());
        }
        Ok(())
    }

    fn counts(&self) -> Counts {
        Counts {
            sends: self.found.sends.len(),
            skipped: self.found.skipped,
            events: self.found.events,
        }
    }
}

impl ReadStrings for Reader {
    fn found(&mut self) -> &mut Found {
        &mut self.found
    }

    fn embedded(&mut self, text: &str, is_line: bool) -> Result<(), Failure> {
        let bytes = text.as_bytes();
        // Nothing that matters is shorter than the event's name.
        if bytes.len() < EVENT.len() {
            return Ok(());
        }
        let mentions = self.find.mention(bytes).is_some();
        if !mentions && !self.find.may_hide(bytes) {
            return Ok(());
        }
        self.is_log |= mentions;
        let gaps = if is_line { Gaps::AreLines } else { Gaps::AreProse };
        self.enter()?;
        let values = self.values(bytes, gaps)?;
        self.envelopes -= 1;
        match values {
            Values::Read => Ok(()),
            Values::Unfinished(_) => Err(self.find.unreadable(bytes, "it does not end").into()),
        }
    }

    fn encoded(&mut self, text: &str) -> Result<(), Failure> {
        let Ok(bytes) = aws_smithy_types::base64::decode(text.trim()) else {
            if text.starts_with(GZIP_IN_BASE64) {
                return Err("has compressed data that is not base64".to_owned().into());
            }
            return self.embedded(text, false);
        };
        let is_compressed = bytes.starts_with(&GZIP);
        if !is_compressed && !self.find.concerns(&bytes) && !self.find.may_hide(&bytes) {
            return Ok(());
        }
        self.enter()?;
        self.source(&mut &bytes[..]).map_err(|error| format!("in base64 data: {error}"))?;
        self.envelopes -= 1;
        self.found.has_envelopes = true;
        Ok(())
    }
}

#[derive(PartialEq, Eq)]
struct Counts {
    sends: usize,
    skipped: usize,
    events: usize,
}

/// Whether a document may begin in a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MayOpen {
    Yes,
    No,
}

/// What the text between JSON values is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gaps {
    /// Lines of a log, where a mention of a send is a record.
    AreLines,
    /// Text for people, which may name the event.
    AreProse,
}

/// Where a document begins, if the line begins one that it does not end.
fn opening(line: &[u8]) -> Option<usize> {
    let (first, last) = (line.first()?, line.last()?);
    let is_cut = matches!(first, b'{' | b'[') && !matches!(last, b'}' | b']') && may_begin(line);
    if !is_cut && !matches!(last, b'{' | b'[') {
        return None;
    }
    let mut brackets = (0..line.len()).filter(|at| matches!(line[*at], b'{' | b'['));
    brackets.find(|at| may_begin(&line[*at..]))
}

fn no_record() -> String {
    format!("neither a time nor a log line with the event \"{EVENT}\"")
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)
}
