use std::io::{self, Read};

use zeroize::Zeroizing;

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
        let fits = chunk.len().min(self.limit - self.bytes.len());
        let needed = self.bytes.len() + fits;
        if needed > self.bytes.capacity() {
            let room = needed.max(self.bytes.capacity().saturating_mul(2)).min(self.limit);
            let mut grown = Zeroizing::new(Vec::with_capacity(room));
            grown.extend_from_slice(&self.bytes);
            self.bytes = grown;
        }
        self.bytes.extend_from_slice(&chunk[..fits]);
        if fits == chunk.len() { Ok(()) } else { Err(Full) }
    }

    /// Reads to the end, or until the buffer is full.
    pub(crate) fn fill(&mut self, mut from: impl Read) -> io::Result<Result<(), Full>> {
        let mut chunk = Zeroizing::new([0; 8192]);
        loop {
            match from.read(&mut *chunk) {
                Ok(0) => return Ok(Ok(())),
                Ok(count) => {
                    if self.push(&chunk[..count]).is_err() {
                        return Ok(Err(Full));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
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
    }
}
