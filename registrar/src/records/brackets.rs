//! Where a JSON value ends, without parsing it.

use memchr::memchr3;

/// The open brackets of text that is read in pieces, each a line or more.
#[derive(Debug, Default)]
pub(super) struct Brackets {
    /// The closing bracket that each open one needs.
    open: Vec<u8>,
    in_string: bool,
}

/// The text cannot be JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotJson;

impl Brackets {
    pub(super) fn are_closed(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn read(&mut self, text: &[u8]) -> Result<(), NotJson> {
        let mut at = 0;
        while at < text.len() {
            at += self.until_closed(&text[at..])?.unwrap_or(text.len());
        }
        Ok(())
    }

    /// Returns the length up to the bracket that closes the first value, if the text has it.
    pub(super) fn until_closed(&mut self, text: &[u8]) -> Result<Option<usize>, NotJson> {
        let mut at = 0;
        while at < text.len() {
            if self.in_string {
                let Some(found) = memchr3(b'"', b'\\', b'\n', &text[at..]) else {
                    return Ok(None);
                };
                at += found;
                match text[at] {
                    b'"' => self.in_string = false,
                    b'\\' => at += 1,
                    _ => return Err(NotJson),
                }
            } else {
                match text[at] {
                    b'"' => self.in_string = !self.open.is_empty(),
                    b'{' => self.open.push(b'}'),
                    b'[' => self.open.push(b']'),
                    closing @ (b'}' | b']') => {
                        match self.open.pop() {
                            Some(expected) if expected == closing => {}
                            Some(_) => return Err(NotJson),
                            // Text after a value.
                            None => {
                                at += 1;
                                continue;
                            }
                        }
                        if self.open.is_empty() {
                            return Ok(Some(at + 1));
                        }
                    }
                    _ => {}
                }
            }
            at += 1;
        }
        Ok(None)
    }
}

/// Whether JSON with a record may begin at the first byte, which is a bracket. `[INFO]` and `{id}` are text.
pub(super) fn may_begin(text: &[u8]) -> bool {
    let after = text[1..].trim_ascii_start().first();
    match text[0] {
        b'{' => matches!(after, None | Some(b'"')),
        _ => matches!(after, None | Some(b'{' | b'[' | b'"')),
    }
}
