//! `.npy` files: the header, and a view of the elements behind it.
//!
//! The header is a Python dictionary of three entries. It is read here, strictly and without
//! recursion, because parsers of Python literals backtrack exponentially on nested brackets, and
//! because a shape whose product overflows must be an error.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use byzagg::{DType, Element};
use half::f16;
use memmap2::Mmap;

use crate::failure::{Failure, Outcome};
use crate::map::map;

/// Longer headers are refused, as numpy does past 10,000 bytes.
const LONGEST_HEADER: usize = 1 << 16;

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
}

/// An open `.npy` file with as many bytes as its header promises.
pub struct Npy {
    path: PathBuf,
    file: File,
    stamp: (u64, Option<SystemTime>),
    header: Header,
    bytes: Bytes,
    start: usize,
}

enum Bytes {
    Mapped(Mmap),
    /// Of a file whose elements are not aligned; u64 for the alignment.
    Copied(Vec<u64>),
}

impl Npy {
    /// Opens, checks and maps a file.
    pub fn open(path: &Path) -> Outcome<Self> {
        Self::try_open(path).map_err(|reason| Failure::of(path, reason))
    }

    fn try_open(path: &Path) -> Result<Self, String> {
        let text = |error: std::io::Error| error.to_string();
        // Opening a pipe would wait for a writer: look before.
        if !fs::metadata(path).map_err(text)?.is_file() {
            return Err("not a regular file".into());
        }
        let mut file = File::open(path).map_err(text)?;
        let stamp = stamp(&file).map_err(text)?;
        let mut head = Vec::new();
        (&mut file)
            .take(12 + LONGEST_HEADER as u64)
            .read_to_end(&mut head)
            .map_err(text)?;
        let (header, start) = parse_head(&head)?;
        let size = element_size(&header.descr)?;
        let length = header
            .shape
            .iter()
            .try_fold(size, |product, &extent| product.checked_mul(extent))
            .filter(|&length| isize::try_from(length).is_ok())
            .ok_or_else(|| format!("its shape {:?} is too large", header.shape))?;
        let held = stamp.0 - start as u64;
        if held != length as u64 {
            let problem = if held < length as u64 {
                "it is truncated"
            } else {
                "there is something behind its elements"
            };
            return Err(format!(
                "{problem}: {length} bytes of elements by its header, {held} in the file"
            ));
        }
        let bytes = if start.is_multiple_of(size) {
            let map = map(&file).map_err(|error| format!("can't map it: {error}"))?;
            if map.len() as u64 != stamp.0 {
                return Err("it was changed while it was read".into());
            }
            Bytes::Mapped(map)
        } else {
            Bytes::Copied(copy(&mut file, start, length)?)
        };
        Ok(Npy {
            path: path.to_path_buf(),
            file,
            stamp,
            header,
            start,
            bytes,
        })
    }

    pub fn shape(&self) -> &[usize] {
        &self.header.shape
    }

    /// Column-major?
    pub fn is_fortran(&self) -> bool {
        self.header.fortran
    }

    /// Was it copied into memory, because its elements are not aligned in the file?
    pub fn is_copied(&self) -> bool {
        matches!(self.bytes, Bytes::Copied(_))
    }

    /// The element type, if it is one that can be aggregated.
    pub fn dtype(&self) -> Outcome<DType> {
        match &self.header.descr[..] {
            "<f2" => Ok(DType::F16),
            "<f4" => Ok(DType::F32),
            "<f8" => Ok(DType::F64),
            descr => Err(self.refuse(format!(
                "expected elements of float32, float16 or float64, got {descr:?}"
            ))),
        }
    }

    pub fn refuse(&self, reason: impl std::fmt::Display) -> Failure {
        Failure::of(&self.path, reason)
    }

    fn data(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped(map) => &map[self.start..],
            // All padding: `open` has checked the length.
            Bytes::Copied(words) => {
                let size = element_size(&self.header.descr).expect("checked by open");
                let length = self.header.shape.iter().product::<usize>() * size;
                &bytemuck::cast_slice(words)[..length]
            }
        }
    }

    /// The elements, in the order of the file. `T` is what [`dtype`](Npy::dtype) says.
    pub fn elements<T: Element>(&self) -> &[T] {
        bytemuck::cast_slice(self.data())
    }

    /// Any numbers as f64: for files that are small.
    pub fn numbers(&self) -> Outcome<Vec<f64>> {
        fn all<T: bytemuck::AnyBitPattern>(data: &[u8], as_f64: impl Fn(T) -> f64) -> Vec<f64> {
            let elements: &[T] = bytemuck::cast_slice(data);
            elements.iter().map(|&x| as_f64(x)).collect()
        }
        let data = self.data();
        Ok(match &self.header.descr[..] {
            "<f2" => all(data, f16::to_f64),
            "<f4" => all(data, |x: f32| x.into()),
            "<f8" => all(data, |x: f64| x),
            "|i1" => all(data, |x: i8| x.into()),
            "|u1" => all(data, |x: u8| x.into()),
            "<i2" => all(data, |x: i16| x.into()),
            "<u2" => all(data, |x: u16| x.into()),
            "<i4" => all(data, |x: i32| x.into()),
            "<u4" => all(data, |x: u32| x.into()),
            "<i8" => all(data, |x: i64| x as f64),
            "<u8" => all(data, |x: u64| x as f64),
            descr => {
                return Err(
                    self.refuse(format!("expected real numbers, got elements of {descr:?}"))
                );
            }
        })
    }

    /// An error if the file has changed since it was opened.
    pub fn check_unchanged(&self) -> Outcome {
        match stamp(&self.file) {
            Ok(now) if now == self.stamp => Ok(()),
            Ok(_) => Err(self.refuse("it was changed while it was read")),
            Err(error) => Err(self.refuse(error)),
        }
    }
}

/// Length and time of change.
fn stamp(file: &File) -> std::io::Result<(u64, Option<SystemTime>)> {
    let meta = file.metadata()?;
    Ok((meta.len(), meta.modified().ok()))
}

fn copy(file: &mut File, start: usize, length: usize) -> Result<Vec<u64>, String> {
    let words = length.div_ceil(8);
    let mut copied = Vec::new();
    copied.try_reserve_exact(words).map_err(|_| {
        format!("no memory for a copy of {length} bytes, whose elements are not aligned")
    })?;
    copied.resize(words, 0);
    file.seek(SeekFrom::Start(start as u64))
        .and_then(|_| file.read_exact(&mut bytemuck::cast_slice_mut(&mut copied)[..length]))
        .map_err(|error| error.to_string())?;
    Ok(copied)
}

/// Bytes of an element, of those types that have little-endian or single bytes.
fn element_size(descr: &str) -> Result<usize, String> {
    if cfg!(target_endian = "big") {
        return Err("reading .npy files needs a little-endian machine".into());
    }
    if let Some(kind) = descr.strip_prefix('>') {
        return Err(format!(
            "big-endian elements ({descr:?}) can't be read: convert them, as with x.astype('<{kind}')"
        ));
    }
    let kind = descr.strip_prefix(['<', '|']).unwrap_or(descr);
    match kind {
        "b1" | "i1" | "u1" => Ok(1),
        "f2" | "i2" | "u2" => Ok(2),
        "f4" | "i4" | "u4" => Ok(4),
        "f8" | "i8" | "u8" => Ok(8),
        _ => Err(format!(
            "expected elements of float32, float16 or float64, got {descr:?}"
        )),
    }
}

/// The header, and where the elements start.
fn parse_head(head: &[u8]) -> Result<(Header, usize), String> {
    if head.starts_with(b"PK\x03\x04") {
        return Err("a .npz archive: save the matrix alone, as .npy".into());
    }
    if !head.starts_with(b"\x93NUMPY") {
        return Err("not a .npy file".into());
    }
    let short = "its header ends early: the file is truncated";
    let bytes = |at: usize, count: usize| head.get(at..at + count).ok_or(short);
    let little = |bytes: &[u8]| bytes.iter().rfold(0, |n, &b| n << 8 | usize::from(b));
    let (length, at) = match bytes(6, 2)? {
        [1, 0] => (little(bytes(8, 2)?), 10),
        [2 | 3, 0] => (little(bytes(8, 4)?), 12),
        [major, minor] => return Err(format!("version {major}.{minor} of .npy is unknown")),
        _ => unreachable!("two bytes"),
    };
    if length > LONGEST_HEADER {
        return Err(format!(
            "expected a header of at most {LONGEST_HEADER} bytes, got {length}"
        ));
    }
    let text = std::str::from_utf8(bytes(at, length)?).map_err(|_| "its header is not text")?;
    Ok((Text { rest: text }.header()?, at + length))
}

/// What is left of a header's text.
struct Text<'a> {
    rest: &'a str,
}

impl<'a> Text<'a> {
    fn header(mut self) -> Result<Header, String> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        self.expect('{')?;
        while !self.take('}') {
            let key = self.string()?;
            self.expect(':')?;
            let twice = match key {
                "descr" => descr.replace(self.descr()?.to_string()).is_some(),
                "fortran_order" => fortran.replace(self.boolean()?).is_some(),
                "shape" => shape.replace(self.shape()?).is_some(),
                _ => return Err(format!("its header has an unknown entry {}", shown(key))),
            };
            if twice {
                return Err(format!("its header has {key:?} twice"));
            }
            if !self.take(',') {
                self.expect('}')?;
                break;
            }
        }
        self.skip();
        if !self.rest.is_empty() {
            return Err(format!("its header goes on with {}", shown(self.rest)));
        }
        let missing = |key| format!("its header has no {key:?}");
        Ok(Header {
            descr: descr.ok_or_else(|| missing("descr"))?,
            fortran: fortran.ok_or_else(|| missing("fortran_order"))?,
            shape: shape.ok_or_else(|| missing("shape"))?,
        })
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn take(&mut self, sign: char) -> bool {
        self.skip();
        let behind = self.rest.strip_prefix(sign);
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
    }

    fn expect(&mut self, sign: char) -> Result<(), String> {
        if self.take(sign) {
            return Ok(());
        }
        Err(self.unexpected(&format!("{sign:?}")))
    }

    fn unexpected(&self, expected: &str) -> String {
        format!("its header: expected {expected}, got {}", shown(self.rest))
    }

    fn word(&mut self) -> &'a str {
        self.skip();
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(self.rest.len());
        let (word, behind) = self.rest.split_at(end);
        self.rest = behind;
        word
    }

    fn string(&mut self) -> Result<&'a str, String> {
        let quote = if self.take('"') { '"' } else { '\'' };
        if quote == '\'' {
            self.expect(quote)?;
        }
        match self.rest.split_once(quote) {
            // An escape never occurs in what numpy writes here.
            Some((string, behind)) if !string.contains('\\') => {
                self.rest = behind;
                Ok(string)
            }
            _ => Err(self.unexpected("a string")),
        }
    }

    fn descr(&mut self) -> Result<&'a str, String> {
        self.skip();
        if self.rest.starts_with(['[', '(', '{']) {
            return Err(
                "expected elements of float32, float16 or float64, got a structured type".into(),
            );
        }
        self.string()
    }

    fn boolean(&mut self) -> Result<bool, String> {
        match self.word() {
            "True" => Ok(true),
            "False" => Ok(false),
            word => Err(format!(
                "its header: expected True or False, got {}",
                shown(word)
            )),
        }
    }

    fn shape(&mut self) -> Result<Vec<usize>, String> {
        let mut shape = Vec::new();
        self.expect('(')?;
        while !self.take(')') {
            // Python 2 marked long integers.
            let word = self.word();
            let digits = word.strip_suffix('L').unwrap_or(word);
            let Ok(extent) = digits.parse() else {
                let got = if word.is_empty() { self.rest } else { word };
                return Err(format!("its shape: expected an extent, got {}", shown(got)));
            };
            shape.push(extent);
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(shape)
    }
}

/// The beginning of a text of any length.
fn shown(text: &str) -> String {
    if text.is_empty() {
        return "the end".into();
    }
    let mut shown: String = text.chars().take(24).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

/// The header of a vector of d elements, 64-byte aligned as numpy writes it.
pub fn vector_header(dtype: DType, d: usize) -> Vec<u8> {
    let descr = match dtype {
        DType::F16 => "<f2",
        DType::F32 => "<f4",
        other => unreachable!("no output is of type {other}"),
    };
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({d},), }}");
    let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    let stored = u16::try_from(length).expect("a short header");
    header.extend(stored.to_le_bytes());
    header.extend(text.as_bytes());
    header.resize(10 + length - 1, b' ');
    header.push(b'\n');
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Header, String> {
        Text { rest: text }.header()
    }

    #[test]
    fn headers_of_all_writers() {
        let expected = Header {
            descr: "<f4".into(),
            fortran: false,
            shape: vec![3, 40],
        };
        for text in [
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 40), }          \n",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3L, 40L), }\n",
            "{\"shape\":(3,40),\"fortran_order\":False,\"descr\":\"<f4\"}",
        ] {
            assert_eq!(parse(text).as_ref(), Ok(&expected), "{text}");
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        for d in [1, 12345, usize::MAX] {
            let bytes = vector_header(DType::F16, d);
            assert!(bytes.len().is_multiple_of(64));
            let (header, start) = parse_head(&bytes).unwrap();
            assert_eq!((header.shape, start), (vec![d], bytes.len()));
            assert_eq!(header.descr, "<f2");
        }
    }

    #[test]
    fn any_prefix_of_a_header_is_refused() {
        let whole = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 40), }";
        for end in 0..whole.len() {
            assert!(parse(&whole[..end]).is_err(), "{}", &whole[..end]);
        }
    }

    #[test]
    fn a_change_after_opening_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        let mut bytes = vector_header(DType::F32, 2);
        bytes.extend([0; 8]);
        fs::write(&path, &bytes).unwrap();
        let npy = Npy::open(&path).unwrap();
        assert_eq!(npy.elements::<f32>(), [0.0; 2]);
        npy.check_unchanged().unwrap();
        bytes.push(0);
        fs::write(&path, &bytes).unwrap();
        let failure = npy.check_unchanged().unwrap_err().to_string();
        assert!(failure.contains("changed while it was read"), "{failure}");
    }
}
