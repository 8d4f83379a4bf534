//! The two framings of NETCONF messages (RFC 6242 section 4). It never looks at XML.

/// What ends a message of base:1.0.
const END: &[u8] = b"]]>]]>";
/// Largest `chunk-size`.
const CHUNK_BYTES_MAX: u64 = 4_294_967_295;

/// How messages are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Each ends with `]]>]]>`: hello messages, and base:1.0 (section 4.3).
    EndOfMessage,
    /// Each is a sequence of chunks: base:1.1 (section 4.2).
    Chunked,
}

/// Why bytes are no messages. The session has to end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// A chunk does not begin as it has to.
    #[error("a chunk begins with {0}, not with a line feed, # and its size or a second #")]
    Chunk(String),
    /// A chunk is said to be longer than the RFC allows, or its size has a leading zero or something else than digits.
    #[error("not the size of a chunk")]
    ChunkSize,
    /// A message has no chunks.
    #[error("a message without chunks")]
    Empty,
    /// A message is longer than we take.
    #[error("a message has at most {0} octets")]
    TooLong(usize),
    /// A message that we write has what would end it.
    #[error("a message with the end of a message inside")]
    Delimiter,
}

/// Cuts incoming bytes into messages, however they arrive. It holds at most one message and what one call of
/// [`Decoder::feed`] brought.
#[derive(Debug)]
pub struct Decoder {
    framing: Framing,
    message_bytes_max: usize,
    message: Vec<u8>,
    /// What was fed, and how much of it has been read.
    input: Vec<u8>,
    at: usize,
    expected: Expected,
}

/// What the next byte of chunked framing has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    LineFeed,
    Hash,
    /// The first digit of the size, or a second `#` after the last chunk.
    SizeOrHash,
    /// More digits of the size that is so far this, or a line feed.
    SizeOrLineFeed(u64),
    /// So many octets.
    Data(u64),
    /// The line feed after `##`.
    EndLineFeed,
}

impl Decoder {
    /// One that begins with [`Framing::EndOfMessage`], as every session does.
    pub fn new(message_bytes_max: usize) -> Decoder {
        Decoder {
            framing: Framing::EndOfMessage,
            message_bytes_max,
            message: Vec::new(),
            input: Vec::new(),
            at: 0,
            expected: Expected::LineFeed,
        }
    }

    /// What follows the messages that were taken has this framing, and messages may be so long.
    pub fn set(&mut self, framing: Framing, message_bytes_max: usize) {
        self.framing = framing;
        self.message_bytes_max = message_bytes_max;
    }

    /// Takes bytes that arrived. The caller takes all messages out before it feeds more.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.input.drain(..self.at);
        self.at = 0;
        self.input.extend_from_slice(bytes);
    }

    /// How many octets it holds.
    pub fn octets(&self) -> usize {
        self.message.len() + self.input.len()
    }

    /// Whether a message has begun that has not ended.
    pub fn is_inside(&self) -> bool {
        !self.message.is_empty() || self.expected != Expected::LineFeed
    }

    /// The next message that is complete; `None` if more bytes are needed for one.
    pub fn take(&mut self) -> Result<Option<Vec<u8>>, FramingError> {
        let is_complete = match self.framing {
            Framing::EndOfMessage => self.read_to_end()?,
            Framing::Chunked => self.read_chunks()?,
        };
        if self.at == self.input.len() {
            self.at = 0;
            // A session that is idle keeps no room for what was long.
            self.input = Vec::new();
        }
        Ok(is_complete.then(|| std::mem::take(&mut self.message)))
    }

    /// White space before a message is left out: an XML declaration has to come first, and people type line ends.
    fn read_to_end(&mut self) -> Result<bool, FramingError> {
        while let Some(&byte) = self.input.get(self.at) {
            self.at += 1;
            if self.message.is_empty() && byte.is_ascii_whitespace() {
                continue;
            }
            self.message.push(byte);
            if byte == b'>' && self.message.ends_with(END) {
                self.message.truncate(self.message.len() - END.len());
                return Ok(true);
            }
            if self.message.len() >= self.message_bytes_max.saturating_add(END.len()) {
                return Err(FramingError::TooLong(self.message_bytes_max));
            }
        }
        Ok(false)
    }

    fn read_chunks(&mut self) -> Result<bool, FramingError> {
        while let Some(&byte) = self.input.get(self.at) {
            if let Expected::Data(left) = self.expected {
                let rest = self.input.get(self.at..).unwrap_or_default();
                let count = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                self.message.extend_from_slice(rest.get(..count).unwrap_or_default());
                self.at += count;
                let left = left - count as u64;
                self.expected = if left == 0 { Expected::LineFeed } else { Expected::Data(left) };
                continue;
            }
            self.at += 1;
            self.expected = match (self.expected, byte) {
                (Expected::LineFeed, b'\n') => Expected::Hash,
                (Expected::Hash, b'#') => Expected::SizeOrHash,
                (Expected::SizeOrHash, b'1'..=b'9') => Expected::SizeOrLineFeed(u64::from(byte - b'0')),
                (Expected::SizeOrHash, b'#') if self.message.is_empty() => return Err(FramingError::Empty),
                (Expected::SizeOrHash, b'#') => Expected::EndLineFeed,
                (Expected::SizeOrLineFeed(size), b'0'..=b'9') => {
                    let size = size * 10 + u64::from(byte - b'0');
                    if size > CHUNK_BYTES_MAX {
                        return Err(FramingError::ChunkSize);
                    }
                    Expected::SizeOrLineFeed(size)
                }
                (Expected::SizeOrLineFeed(size), b'\n') => {
                    let room = self.message_bytes_max.saturating_sub(self.message.len());
                    if size > room as u64 {
                        return Err(FramingError::TooLong(self.message_bytes_max));
                    }
                    Expected::Data(size)
                }
                (Expected::EndLineFeed, b'\n') => {
                    self.expected = Expected::LineFeed;
                    return Ok(true);
                }
                (Expected::SizeOrHash | Expected::SizeOrLineFeed(_), _) => {
                    return Err(FramingError::ChunkSize);
                }
                (_, other) => return Err(FramingError::Chunk(other.escape_ascii().to_string())),
            };
        }
        Ok(false)
    }
}

/// Appends a piece of a message, which is XML in which every `>` is escaped, to what is to be written. [`end`] ends it.
pub fn piece(framing: Framing, piece: &[u8], out: &mut Vec<u8>) {
    if piece.is_empty() {
        return;
    }
    match framing {
        Framing::EndOfMessage => out.extend_from_slice(piece),
        Framing::Chunked => {
            for chunk in piece.chunks(usize::try_from(CHUNK_BYTES_MAX).unwrap_or(usize::MAX)) {
                out.extend_from_slice(format!("\n#{}\n", chunk.len()).as_bytes());
                out.extend_from_slice(chunk);
            }
        }
    }
}

/// Appends what ends a message.
pub fn end(framing: Framing, out: &mut Vec<u8>) {
    out.extend_from_slice(match framing {
        Framing::EndOfMessage => END,
        Framing::Chunked => b"\n##\n",
    });
}

/// Appends a message to what is to be written.
///
/// # Errors
/// The message is empty, or holds `]]>]]>` where that ends it. XML that escapes every `>` never does.
pub fn encode(framing: Framing, message: &[u8], out: &mut Vec<u8>) -> Result<(), FramingError> {
    if message.is_empty() {
        return Err(FramingError::Empty);
    }
    if framing == Framing::EndOfMessage && message.windows(END.len()).any(|window| window == END) {
        return Err(FramingError::Delimiter);
    }
    piece(framing, message, out);
    end(framing, out);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn decoder(framing: Framing, message_bytes_max: usize) -> Decoder {
        let mut decoder = Decoder::new(message_bytes_max);
        decoder.set(framing, message_bytes_max);
        decoder
    }

    /// The messages in bytes that arrive in these pieces.
    fn read(decoder: &mut Decoder, pieces: &[&[u8]]) -> Result<Vec<String>, FramingError> {
        let mut messages = Vec::new();
        for piece in pieces {
            decoder.feed(piece);
            while let Some(message) = decoder.take()? {
                messages.push(String::from_utf8(message).unwrap());
            }
        }
        Ok(messages)
    }

    /// Reads bytes whole, octet by octet, and in every cut into three.
    fn read_every_way(framing: Framing, most: usize, bytes: &[u8]) -> Result<Vec<String>, FramingError> {
        let whole = read(&mut decoder(framing, most), &[bytes]);
        let octets: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&mut decoder(framing, most), &octets), whole);
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(read(&mut decoder(framing, most), &pieces), whole, "cut at {first} and {second}");
            }
        }
        whole
    }

    #[test]
    fn messages_end_with_the_delimiter_wherever_it_is_cut() {
        let bytes = b"<a/>]]>]]>\n <b>]]></b>]]>]]>]]]>]]>";
        let read = read_every_way(Framing::EndOfMessage, 100, bytes).unwrap();
        assert_eq!(read, ["<a/>", "<b>]]></b>", "]"]);
        let unfinished = read_every_way(Framing::EndOfMessage, 100, b"<a/>]]>]]").unwrap();
        assert!(unfinished.is_empty());
    }

    #[test]
    fn messages_are_put_together_from_chunks() {
        let bytes = b"\n#4\n<rpc\n#2\n/>\n##\n\n#10\n0123456789\n##\n";
        assert_eq!(read_every_way(Framing::Chunked, 10, bytes).unwrap(), ["<rpc/>", "0123456789"]);
        // What looks like framing inside of a chunk is data.
        let bytes = b"\n#10\n\n##\n]]>]]>\n##\n";
        assert_eq!(read_every_way(Framing::Chunked, 10, bytes).unwrap(), ["\n##\n]]>]]>"]);
    }

    #[test]
    fn malformed_chunks_are_refused() {
        for bytes in [
            "#4\n<rpc",
            " \n#4\n",
            "\n4\n",
            "\n##\n",
            "\n#0\n",
            "\n#04\n<rpc",
            "\n#-1\n",
            "\n#+4\n",
            "\n# 4\n",
            "\n#\n",
            "\n#4 \n",
            "\n#4\r\n",
            "\n#4x\n",
            "\n#4294967296\n",
            "\n#99999999999999999999999999\n",
            "\n#1\na#",
            "\n#1\nab",
            "\n#1\na\n###",
            "\n#1\na\n##x",
            "\n#1\na\n##\n#",
            "]]>]]>",
        ] {
            let refused = read_every_way(Framing::Chunked, 1 << 40, bytes.as_bytes());
            assert!(refused.is_err(), "{bytes:?}");
        }
        let largest = read_every_way(Framing::Chunked, 1 << 40, b"\n#4294967295\nabc");
        assert_eq!(largest, Ok(Vec::new()));
    }

    #[test]
    fn a_message_is_no_longer_than_the_limit() {
        let too_long = Err(FramingError::TooLong(4));
        assert_eq!(read_every_way(Framing::EndOfMessage, 4, b"abcd]]>]]>").unwrap(), ["abcd"]);
        assert_eq!(read_every_way(Framing::EndOfMessage, 4, b"abcde]]>]]>"), too_long);
        assert_eq!(read_every_way(Framing::EndOfMessage, 4, b"abcdefghijkl"), too_long);
        assert_eq!(read_every_way(Framing::Chunked, 4, b"\n#4\nabcd\n##\n").unwrap(), ["abcd"]);
        assert_eq!(read_every_way(Framing::Chunked, 4, b"\n#2\nab\n#3\ncde\n##\n"), too_long);
        assert_eq!(read_every_way(Framing::Chunked, 4, b"\n#5\n"), too_long, "before the data comes");
    }

    #[test]
    fn the_framing_changes_between_two_messages_that_came_together() {
        let bytes = b"<hello/>]]>]]>\n#6\n<rpc/>\n##\n";
        for cut in 0..=bytes.len() {
            let mut decoder = Decoder::new(100);
            let mut messages = Vec::new();
            for piece in [&bytes[..cut], &bytes[cut..]] {
                decoder.feed(piece);
                while let Some(message) = decoder.take().unwrap() {
                    messages.push(message);
                    decoder.set(Framing::Chunked, 100);
                }
            }
            assert_eq!(messages, [b"<hello/>".to_vec(), b"<rpc/>".to_vec()]);
            assert!(!decoder.is_inside());
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for framing in [Framing::EndOfMessage, Framing::Chunked] {
            let mut bytes = Vec::new();
            for message in ["<a/>", "<b>]]></b>"] {
                encode(framing, message.as_bytes(), &mut bytes).unwrap();
            }
            assert_eq!(read_every_way(framing, 100, &bytes).unwrap(), ["<a/>", "<b>]]></b>"]);
            assert_eq!(encode(framing, b"", &mut bytes), Err(FramingError::Empty));
        }
        let inside = b"<a b=']]>]]>'/>";
        assert_eq!(encode(Framing::EndOfMessage, inside, &mut Vec::new()), Err(FramingError::Delimiter));
        let mut bytes = Vec::new();
        encode(Framing::Chunked, inside, &mut bytes).unwrap();
        assert_eq!(bytes, b"\n#15\n<a b=']]>]]>'/>\n##\n");
    }
}
