//! Mutations of a corpus: the same ones at every run.

/// Pieces that mean something to one of the targets.
const PIECES: [&[u8]; 36] = [
    b",",
    b"\"",
    b"\n",
    b"\r",
    b";",
    b"\t",
    b"\xEF\xBB\xBF",
    b"\"\"",
    b"\"\n",
    b"\r\n",
    b",\"",
    b"\",",
    b"\xC3",
    b"\xA9",
    b"\0",
    b"%",
    b"+",
    b"%2",
    b"%ff",
    b"input/",
    b".csv",
    b"{",
    b"}",
    b"[]",
    b"null",
    b"1e99",
    b"\"pattern\":\"(a|b)*$\",",
    b"\"format\":\"date\",",
    b"\"minLength\":-1,",
    b"\"enum\":[\"\"],",
    b"\"allOf\":[{}],",
    b"\"$ref\":\"#\",",
    b"\"Records\":[{\"s3\":{",
    b"\"size\":-1,",
    b"\"versionId\":null,",
    b"\"Event\":\"s3:TestEvent\",",
];

/// Longest input that is made: what is longer shows nothing new, slower.
const LONGEST: usize = 8 * 1024;

/// An endless series of mutated inputs.
pub struct Mutator<'a> {
    corpus: &'a [Vec<u8>],
    state: u64,
}

impl<'a> Mutator<'a> {
    /// Mutations of these inputs, of which there is at least one.
    pub fn new(corpus: &'a [Vec<u8>]) -> Self {
        Self { corpus, state: 1 }
    }

    /// A number below `bound`, or 0 if that is 0.
    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if bound == 0 { 0 } else { (self.state >> 33) as usize % bound }
    }

    /// Two places in the input, in order.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let (one, other) = (self.below(length + 1), self.below(length + 1));
        one.min(other)..one.max(other)
    }

    fn mutate(&mut self, input: &mut Vec<u8>) {
        let place = self.below(input.len());
        match self.below(7) {
            0 if !input.is_empty() => input[place] ^= 1 << self.below(8),
            1 if !input.is_empty() => input[place] = self.below(256) as u8,
            2 => drop(input.drain(self.range(input.len()))),
            3 => {
                let piece = input[self.range(input.len())].to_vec();
                drop(input.splice(place..place, piece));
            }
            4 => {
                let other = &self.corpus[self.below(self.corpus.len())];
                let piece = other[self.range(other.len())].to_vec();
                drop(input.splice(place..place, piece));
            }
            _ => {
                let piece = PIECES[self.below(PIECES.len())];
                drop(input.splice(place..place, piece.iter().copied()));
            }
        }
        input.truncate(LONGEST);
    }
}

impl Iterator for Mutator<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut input = self.corpus[self.below(self.corpus.len())].clone();
        for _ in 0..=self.below(6) {
            self.mutate(&mut input);
        }
        Some(input)
    }
}
