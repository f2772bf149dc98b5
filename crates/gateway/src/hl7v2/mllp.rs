//! The minimal lower layer protocol: `<VT> message <FS><CR>`
//! (HL7 v2 Transport Specification: MLLP, release 1).
//!
//! Pure: bytes come in as the network cuts them, frames go out. What stands
//! between frames is counted and left out; a frame that is too long is left out to
//! its end and reported, so that the next one is read again.

use memchr::memchr2;
use tongmai_base::{Finding, Severity, limits};

/// Begins a frame (vertical tab).
pub const BEGIN: u8 = 0x0b;
/// Ends a frame (file separator), followed by a carriage return.
pub const END: u8 = 0x1c;
const RETURN: u8 = 0x0d;

/// Wraps a message into a frame.
pub fn frame(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 3);
    out.push(BEGIN);
    out.extend_from_slice(message);
    out.extend_from_slice(&[END, RETURN]);
    out
}

/// What comes out of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A whole message, without its frame.
    Message(Vec<u8>),
    /// Something was left out.
    Fault(Finding),
}

/// Takes a stream apart into messages.
#[derive(Debug)]
pub struct Decoder {
    /// The message of an unfinished frame.
    frame: Vec<u8>,
    state: State,
    /// Bytes seen between frames and not yet reported.
    junk: usize,
    longest: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a frame.
    Between,
    /// In a frame.
    Within,
    /// In a frame that is longer than allowed, up to its end.
    TooLong,
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder::with_limit(limits::MESSAGE_BYTES)
    }
}

impl Decoder {
    /// A decoder that takes in messages of up to `longest` bytes.
    pub fn with_limit(longest: usize) -> Decoder {
        Decoder { frame: Vec::new(), state: State::Between, junk: 0, longest }
    }

    /// Whether a frame has begun and not ended: on a closed connection its sender was cut off.
    pub fn is_unfinished(&self) -> bool {
        self.state != State::Between
    }

    /// Takes in the next bytes; `each` gets what is complete by them, in order.
    pub fn feed(&mut self, bytes: &[u8], each: &mut dyn FnMut(Event)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.state {
                State::Between => {
                    let at = memchr::memchr(BEGIN, rest);
                    let skipped = &rest[..at.unwrap_or(rest.len())];
                    // The return after a frame's end, and blank lines, are no junk.
                    self.junk +=
                        skipped.iter().filter(|byte| !matches!(**byte, RETURN | b'\n' | END)).count();
                    let Some(at) = at else { return };
                    self.report_junk(each);
                    self.state = State::Within;
                    rest = &rest[at + 1..];
                }
                State::Within | State::TooLong => {
                    let at = memchr2(BEGIN, END, rest);
                    self.keep(&rest[..at.unwrap_or(rest.len())], each);
                    let Some(at) = at else { return };
                    let ended = rest[at] == END;
                    rest = &rest[at + 1..];
                    self.close(ended, each);
                }
            }
        }
    }

    fn keep(&mut self, part: &[u8], each: &mut dyn FnMut(Event)) {
        if self.state == State::TooLong {
            return;
        }
        if self.frame.len() + part.len() > self.longest {
            let message = format!("a message has more than {} bytes", self.longest);
            each(fault("message-too-long", message, "send documents apart, or split the message"));
            self.frame = Vec::new();
            self.state = State::TooLong;
            return;
        }
        self.frame.extend_from_slice(part);
    }

    /// Ends a frame: by its end, or by the beginning of another.
    fn close(&mut self, ended: bool, each: &mut dyn FnMut(Event)) {
        let frame = std::mem::take(&mut self.frame);
        match (self.state, ended) {
            (State::TooLong, _) => {}
            (_, true) => each(Event::Message(frame)),
            (_, false) => {
                let message =
                    format!("a frame begins within another; {} bytes of that one are left out", frame.len());
                each(fault("frame-unfinished", message, "end each message with 0x1C 0x0D"));
            }
        }
        self.state = if ended { State::Between } else { State::Within };
    }

    fn report_junk(&mut self, each: &mut dyn FnMut(Event)) {
        if self.junk > 0 {
            let message = format!("{} bytes stand between frames; they are left out", self.junk);
            each(fault("frame-junk", message, "begin each message with 0x0B"));
            self.junk = 0;
        }
    }
}

fn fault(code: &str, message: String, repair: &str) -> Event {
    Event::Fault(Finding::new(Severity::Error, "MSH", code, message).with_repair(repair))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a stream gives, cut into pieces of `size` bytes.
    fn decode(stream: &[u8], size: usize, limit: usize) -> Vec<String> {
        let mut decoder = Decoder::with_limit(limit);
        let mut out = Vec::new();
        for piece in stream.chunks(size) {
            decoder.feed(piece, &mut |event| {
                out.push(match event {
                    Event::Message(bytes) => String::from_utf8(bytes).expect("text"),
                    Event::Fault(finding) => format!("!{}", finding.code),
                });
            });
        }
        out
    }

    #[test]
    fn frames_are_the_same_however_the_stream_is_cut() {
        let mut stream = b"junk".to_vec();
        stream.extend(frame(b"one"));
        stream.extend(b"\r\n");
        stream.extend(frame(b""));
        stream.extend(b"\x0bcut off");
        stream.extend(frame(b"two\rlines"));
        stream.extend(frame(b"far too long a message"));
        stream.extend(frame(b"three"));
        stream.extend(b"\x0bunfinished");
        let expected =
            ["!frame-junk", "one", "", "!frame-unfinished", "two\rlines", "!message-too-long", "three"];
        for size in 1..=stream.len() {
            assert_eq!(decode(&stream, size, 12), expected, "pieces of {size}");
        }
    }

    #[test]
    fn the_limit_holds_to_the_byte() {
        assert_eq!(decode(&frame(b"12345"), 2, 5), ["12345"]);
        assert_eq!(decode(&frame(b"123456"), 2, 5), ["!message-too-long"]);
    }

    #[test]
    fn a_connection_that_ends_within_a_frame_is_noticed() {
        let mut decoder = Decoder::default();
        decoder.feed(b"\x0bMSH", &mut |_| panic!("nothing is complete"));
        assert!(decoder.is_unfinished());
        decoder.feed(&[END, RETURN], &mut |_| {});
        assert!(!decoder.is_unfinished());
    }
}
