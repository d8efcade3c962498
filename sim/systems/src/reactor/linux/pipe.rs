//! A pipe: sixteen pages, one reader, one writer.
//!
//! Pages matter: a pipe is full when every page is in use, however little is in it, and a write joins the last page
//! only if all of it that would not fill whole pages fits there (`fs/pipe.c`). So the byte counts of partial transfers
//! are those of Linux.

use std::collections::VecDeque;

const PAGE: usize = 4096;
const PAGES: usize = 16;

/// The bytes between the two ends of a pipe.
#[derive(Clone, Debug, Default)]
pub struct Pipe {
    /// The pages in use, each with how far it was written and what is left of it.
    pages: VecDeque<Page>,
    /// Whether the reading end is open.
    pub has_reader: bool,
    /// Whether the writing end is open.
    pub has_writer: bool,
}

#[derive(Clone, Debug)]
struct Page {
    written: usize,
    bytes: VecDeque<u8>,
}

impl Pipe {
    /// An empty pipe, both ends open.
    pub const fn new() -> Self {
        Self { pages: VecDeque::new(), has_reader: true, has_writer: true }
    }

    /// Whether nothing can be read.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Whether no page is free.
    pub fn is_full(&self) -> bool {
        self.pages.len() == PAGES
    }

    /// Takes up to `max` bytes out.
    pub fn read(&mut self, max: usize) -> Vec<u8> {
        let mut read = Vec::new();
        while read.len() < max
            && let Some(page) = self.pages.front_mut()
        {
            let count = (max - read.len()).min(page.bytes.len());
            read.extend(page.bytes.drain(..count));
            if page.bytes.is_empty() {
                self.pages.pop_front();
            }
        }
        read
    }

    /// Puts in as many of these bytes as there is room for. Returns how many.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        let mut done = 0;
        let odd = bytes.len() % PAGE;
        if odd > 0
            && let Some(last) = self.pages.back_mut()
            && last.written + odd <= PAGE
        {
            last.written += odd;
            last.bytes.extend(&bytes[..odd]);
            done = odd;
        }
        while done < bytes.len() && !self.is_full() {
            let count = (bytes.len() - done).min(PAGE);
            let part = &bytes[done..done + count];
            self.pages.push_back(Page { written: count, bytes: part.iter().copied().collect() });
            done += count;
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_writes_share_a_page_and_a_page_with_one_byte_is_in_use() {
        let mut pipe = Pipe::new();
        assert_eq!(pipe.write(&[1; 100]) + pipe.write(&[2; 100]), 200);
        assert_eq!(pipe.pages.len(), 1);
        assert_eq!(pipe.write(&[3; PAGE * 16]), PAGE * 15);
        assert!(pipe.is_full());
        assert_eq!(pipe.read(199).len(), 199);
        assert!(pipe.is_full(), "one byte is left of the first page");
        assert_eq!(pipe.read(1), [2]);
        assert!(!pipe.is_full());
    }

    #[test]
    fn what_is_written_is_read_in_order() {
        let mut pipe = Pipe::new();
        let bytes: Vec<u8> = (0..10_000_u32).map(|at| (at % 251) as u8).collect();
        assert_eq!(pipe.write(&bytes), bytes.len());
        assert_eq!([pipe.read(4_000), pipe.read(9_000)].concat(), bytes);
        assert!(pipe.is_empty());
    }
}
