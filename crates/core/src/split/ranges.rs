//! Cuts an input into chunks as it streams by.

use super::error::Place;
use super::{SplitError, SplitSettings, header};
use crate::csv::{LineEnds, strip_line_end};
use crate::dataset::Dataset;
use crate::payload::{ChunkRange, Layout};

/// UTF-8 byte order mark.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where the dataset's columns stand.
    pub layout: Layout,
    /// Its chunks, in order.
    pub chunks: Vec<ChunkRange>,
    /// Its data rows.
    pub rows: u64,
}

/// Finds chunks in a stream of buffers of any size. Holds the header line and the chunks found so far, nothing else.
#[derive(Debug)]
pub struct Splitter<'a> {
    settings: &'a SplitSettings,
    dataset: &'a Dataset,
    ends: LineEnds,
    /// The first bytes, until there are enough to know a byte order mark.
    start: Vec<u8>,
    started: bool,
    line: Line,
    header: Vec<u8>,
    layout: Option<Layout>,
    chunks: Vec<ChunkRange>,
    rows: u64,
}

/// The line that is passing by.
#[derive(Debug, Default, Clone, Copy)]
struct Line {
    start: u64,
    length: u64,
    first: u8,
}

impl Line {
    /// Whether it holds nothing but its line end, if it has one.
    fn is_blank(self, ended: bool) -> bool {
        match self.length - u64::from(ended) {
            0 => true,
            1 => self.first == b'\r',
            _ => false,
        }
    }
}

impl<'a> Splitter<'a> {
    /// Ready for the first byte.
    #[must_use]
    pub fn new(settings: &'a SplitSettings, dataset: &'a Dataset) -> Self {
        Self {
            settings,
            dataset,
            ends: LineEnds::new(dataset.delimiter),
            start: Vec::new(),
            started: false,
            line: Line::default(),
            header: Vec::new(),
            layout: None,
            chunks: Vec::new(),
            rows: 0,
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`SplitError`] when they show that the file is at fault.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), SplitError> {
        if self.started {
            return self.scan(bytes);
        }
        let (head, rest) = bytes.split_at(bytes.len().min(BOM.len() - self.start.len()));
        self.start.extend_from_slice(head);
        if self.start.len() == BOM.len() {
            self.begin()?;
        }
        if rest.is_empty() { Ok(()) } else { self.scan(rest) }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`SplitError`] when the file is at fault.
    pub fn finish(mut self) -> Result<Found, SplitError> {
        if !self.started {
            self.begin()?;
        }
        if self.ends.in_quotes() {
            if self.layout.is_none() {
                header::check_is_text(&self.header)?;
            }
            return Err(SplitError::UnclosedQuote { place: self.place() });
        }
        self.end_line(false)?;
        let layout = self.layout.ok_or(SplitError::EmptyFile)?;
        Ok(Found { layout, chunks: self.chunks, rows: self.rows })
    }

    fn begin(&mut self) -> Result<(), SplitError> {
        self.started = true;
        let start = std::mem::take(&mut self.start);
        match start.strip_prefix(BOM) {
            Some(rest) => {
                self.line.start = BOM.len() as u64;
                self.scan(rest)
            }
            None => self.scan(&start),
        }
    }

    fn scan(&mut self, bytes: &[u8]) -> Result<(), SplitError> {
        let mut rest = bytes;
        loop {
            let before = self.ends.clone();
            let Some(length) = self.ends.next(rest) else { return self.take_open(rest, &before) };
            let (piece, behind) = rest.split_at(length);
            self.take(piece)?;
            self.end_line(true)?;
            rest = behind;
        }
    }

    /// Takes bytes of a line that goes on behind them; `before` is the scanner in front of them.
    ///
    /// A line that is too long fails as soon as it is, unless a quote is open: then what is wrong is that quote, if it is
    /// never closed. Which of the two it is does not depend on where buffers are cut.
    fn take_open(&mut self, piece: &[u8], before: &LineEnds) -> Result<(), SplitError> {
        let limit = self.settings.max_record as u64;
        let room = limit.saturating_sub(self.line.length);
        self.take(piece)?;
        if self.line.length > limit && before.leaves_quotes(piece, usize::try_from(room).unwrap_or(usize::MAX)) {
            return Err(SplitError::RecordTooLong { place: self.place(), limit: self.settings.max_record });
        }
        Ok(())
    }

    /// Takes bytes of the line that is passing by.
    fn take(&mut self, piece: &[u8]) -> Result<(), SplitError> {
        if self.line.length == 0 {
            self.line.first = piece.first().copied().unwrap_or_default();
        }
        self.line.length += piece.len() as u64;
        if self.layout.is_some() {
            return Ok(());
        }
        let room = self.settings.max_record - self.header.len();
        self.header.extend_from_slice(&piece[..piece.len().min(room)]);
        // What is no text may have no line end for ever: stop reading as soon as the header is as long as one may be.
        if piece.len() > room { header::check_is_text(&self.header) } else { Ok(()) }
    }

    fn end_line(&mut self, ended: bool) -> Result<(), SplitError> {
        let line = self.line;
        let end = line.start + line.length;
        self.line = Line { start: end, ..Line::default() };
        if line.length == 0 || line.is_blank(ended) {
            self.header.clear();
            return Ok(());
        }
        if self.layout.is_none() {
            header::check_is_text(&self.header)?;
        }
        if line.length > self.settings.max_record as u64 {
            return Err(SplitError::RecordTooLong { place: self.place(), limit: self.settings.max_record });
        }
        if self.layout.is_some() {
            return self.add_row(line.start, end);
        }
        let header = std::mem::take(&mut self.header);
        self.layout = Some(header::read(self.dataset, strip_line_end(&header))?);
        Ok(())
    }

    /// Adds a row to the open chunk, or begins one with it.
    fn add_row(&mut self, start: u64, end: u64) -> Result<(), SplitError> {
        self.rows += 1;
        let settings = self.settings;
        if let Some(chunk) = self.chunks.last_mut()
            && chunk.rows < settings.chunk_rows
            && end - chunk.start <= settings.chunk_bytes
        {
            chunk.end = end;
            chunk.rows += 1;
            return Ok(());
        }
        let number = u32::try_from(self.chunks.len()).unwrap_or(u32::MAX);
        if number >= settings.max_chunks {
            return Err(SplitError::TooManyChunks { limit: settings.max_chunks, rows: self.rows - 1 });
        }
        self.chunks.push(ChunkRange { chunk: number, start, end, first_row: self.rows, rows: 1 });
        Ok(())
    }

    /// Where the line that is passing by is.
    fn place(&self) -> Place {
        if self.layout.is_some() { Place::Row(self.rows + 1) } else { Place::Header }
    }
}
