use std::io::{self, Read};

use zeroize::Zeroizing;

/// How much room there is at least once something is in it.
const LEAST_ROOM: usize = 1024;

/// Bytes that may be secret, up to a limit. Unlike a `Vec`, it leaves no copy in freed memory when it grows.
pub(crate) struct Buffer {
    bytes: Zeroizing<Vec<u8>>,
    limit: usize,
}

/// The limit has been reached; what came before it is kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Buffer {
    /// An empty buffer for at most `limit` bytes, with room for as many as are `expected`.
    pub(crate) fn new(expected: usize, limit: usize) -> Self {
        Self { bytes: Zeroizing::new(Vec::with_capacity(expected.min(limit))), limit }
    }

    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<(), Full> {
        let room = self.limit - self.bytes.len();
        let (fitting, left) = chunk.split_at_checked(room).unwrap_or((chunk, &[]));
        let needed = self.bytes.len() + fitting.len();
        if needed > self.bytes.capacity() {
            let room = needed.max(self.bytes.capacity().saturating_mul(2)).max(LEAST_ROOM).min(self.limit);
            let mut grown = Zeroizing::new(Vec::with_capacity(room));
            grown.extend_from_slice(&self.bytes);
            self.bytes = grown;
        }
        self.bytes.extend_from_slice(fitting);
        if left.is_empty() { Ok(()) } else { Err(Full) }
    }

    /// Reads to the end, or until the buffer is full.
    pub(crate) fn fill(&mut self, mut from: impl Read) -> io::Result<Result<(), Full>> {
        loop {
            // No more than there is room for, so that the bytes stay where they are.
            let room = self.bytes.capacity().min(self.limit) - self.bytes.len();
            if from.by_ref().take(room as u64).read_to_end(&mut self.bytes)? < room {
                return Ok(Ok(()));
            }
            let mut next = [0];
            match from.read_exact(&mut next) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Ok(())),
                Err(error) => return Err(error),
                Ok(()) if self.push(&next).is_err() => return Ok(Err(Full)),
                Ok(()) => {}
            }
        }
    }

    pub(crate) fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_to_its_limit_and_no_further() {
        let mut buffer = Buffer::new(1, 10);
        assert_eq!(buffer.push(b"abc"), Ok(()));
        assert_eq!(buffer.push(b"defghij"), Ok(()));
        assert_eq!(buffer.push(b""), Ok(()));
        assert_eq!(buffer.push(b"k"), Err(Full));
        assert_eq!(buffer.into_bytes()[..], *b"abcdefghij");
    }

    #[test]
    fn filling_stops_at_the_limit() {
        let mut buffer = Buffer::new(0, 10);
        assert_eq!(buffer.fill(std::io::repeat(b'x')).unwrap(), Err(Full));
        assert_eq!(buffer.into_bytes()[..], *b"xxxxxxxxxx");
        let mut buffer = Buffer::new(0, 10);
        assert_eq!(buffer.fill(&b"0123456789"[..]).unwrap(), Ok(()));
        assert_eq!(buffer.into_bytes()[..], *b"0123456789");
    }

    #[test]
    fn it_is_filled_whatever_was_expected() {
        let bytes: Vec<u8> = (0..5000_u16).map(|n| n as u8).collect();
        for expected in [0, 1, 4999, 5000, 5001, 100_000] {
            let mut buffer = Buffer::new(expected, 5000);
            assert_eq!(buffer.fill(&bytes[..]).unwrap(), Ok(()), "{expected}");
            assert_eq!(buffer.into_bytes()[..], bytes, "{expected}");
        }
    }
}
