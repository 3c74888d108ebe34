//! Memory maps of input files: the one file of this program with `unsafe`.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// Maps a whole file for reading.
pub fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map must not change while it is borrowed as a slice, and no operating system can
    // promise that: another process may write to the file or truncate it. What this program relies
    // on is weaker. Any bytes are valid numbers, and no number read from the map becomes an index, a
    // length or a pointer, so a concurrent write can falsify the result but not reach other memory;
    // the caller compares the file's length and time of change afterwards and discards the result.
    // A truncation makes the pages behind the new end raise SIGBUS, which ends the process before
    // anything was written.
    unsafe { Mmap::map(file) }
}
