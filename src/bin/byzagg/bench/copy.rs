//! A copy of memory by several threads: the speed that no rule can exceed by much.

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// Two buffers, and the threads that copy one to the other.
pub struct Copy {
    from: Vec<u64>,
    to: Vec<u64>,
    chunk: usize,
    pool: ThreadPool,
}

impl Copy {
    /// Buffers of so many bytes, whose pages are all there.
    pub fn new(bytes: usize, threads: usize) -> Result<Self, ThreadPoolBuildError> {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build()?;
        let words = bytes.div_ceil(8).max(1);
        let mut copy = Copy {
            from: vec![0; words],
            to: vec![0; words],
            // One piece for each thread: large enough for stores that bypass the caches.
            chunk: words.div_ceil(threads.max(1)),
            pool,
        };
        // Zeroed memory may be one shared page: write each, on the thread that will read it.
        copy.pool.install(|| {
            let chunks = copy.from.par_chunks_mut(copy.chunk);
            chunks.for_each(|chunk| chunk.fill(0x5555_5555_5555_5555));
        });
        copy.run();
        Ok(copy)
    }

    /// Copies once.
    pub fn run(&mut self) {
        let (from, to, chunk) = (&self.from, &mut self.to, self.chunk);
        self.pool.install(|| {
            to.par_chunks_mut(chunk)
                .zip(from.par_chunks(chunk))
                .for_each(|(to, from)| to.copy_from_slice(from));
        });
        std::hint::black_box(&mut self.to);
    }

    /// Bytes that a run reads plus bytes that it writes.
    pub fn bytes(&self) -> usize {
        2 * size_of_val(&self.from[..])
    }
}
