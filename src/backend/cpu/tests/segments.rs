//! How columns and outputs are cut up.

use crate::Shape;
use crate::backend::cpu::segments::{Cursor, Segments};

#[test]
fn spans_cover_every_column_once() {
    let shapes = [
        Shape::new(3, 1),
        Shape::new(25, 1_000_003),
        Shape::blocks(25, &[1, 100, 2_000_000, 3, 4096, 1]),
        Shape::batch(100, &[7, 300_000, 1, 1, 1_000_000]),
    ];
    for shape in shapes {
        for partial in [0, 625, 1 << 22] {
            let segments = Segments::new(&shape, partial);
            let mut next = vec![0; shape.columns().len()];
            let mut total = 0;
            for wave in &segments.waves {
                for segment in &segments.list()[wave.clone()] {
                    let mut columns = 0;
                    for span in segments.spans(segment, 1000) {
                        assert_eq!(span.columns.start, next[span.block]);
                        assert!(span.width() > 0 && span.width() <= 1000);
                        assert!(shape.problem(segment.problem).contains(&span.block));
                        next[span.block] = span.columns.end;
                        columns += span.width();
                    }
                    assert_eq!(columns, segment.columns.len());
                    total += columns;
                }
            }
            assert_eq!(next, shape.columns());
            assert_eq!(total, shape.d());
            let whole = segments
                .waves
                .iter()
                .map(|wave| segments.problems(wave).count());
            assert_eq!(whole.sum::<usize>(), shape.problems());
        }
    }
}

#[test]
fn a_cursor_splits_anywhere() {
    for cuts in [[0, 4], [1, 2], [2, 3], [3, 3], [3, 8], [7, 9], [0, 9]] {
        let mut slices = [vec![0; 2], vec![0; 1], vec![0; 5], vec![0; 1]];
        let mut list: Vec<&mut [i32]> = slices.iter_mut().map(|slice| &mut slice[..]).collect();
        let (left, right) = Cursor::new(&mut list).split_at(cuts[1]);
        let (left, middle) = left.split_at(cuts[0]);
        let counts = [cuts[0], cuts[1] - cuts[0], 9 - cuts[1]];
        for (value, (mut cursor, count)) in
            [left, middle, right].into_iter().zip(counts).enumerate()
        {
            (0..count).for_each(|_| cursor.take(1)[0] = value as i32);
        }
        let expected: Vec<i32> = (0..9)
            .map(|k| {
                if k < cuts[0] {
                    0
                } else if k < cuts[1] {
                    1
                } else {
                    2
                }
            })
            .collect();
        assert_eq!(slices.concat(), expected, "{cuts:?}");
    }
}
