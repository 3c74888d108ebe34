//! The small numbers on their way between the host's arena and the device's.

use ::wgpu::Buffer;

use super::Wgpu;
use super::workspace::Job;
use crate::Result;
use crate::backend::known::Known;
use crate::plan::{Arena, Slot};

/// Writes slots of the host's arena to the device.
pub(super) fn upload(
    job: &mut Job<'_, '_, '_, '_>,
    Region { known, stride }: Region<'_>,
    arena: &Arena,
    slots: impl IntoIterator<Item = Slot>,
) {
    for slot in slots {
        for p in 0..arena.problems() {
            let words: Vec<u32> = slot
                .range()
                .zip(arena.get(p, slot))
                .map(|(at, &value)| word(known, at, value))
                .collect();
            let offset = 4 * (p * stride + slot.offset) as u64;
            job.recording.write(&words, &job.buffers.arena, offset);
        }
    }
}

/// A number as the device has it at this place of a region.
fn word(known: &Known, at: usize, value: f64) -> u32 {
    if known.is_weight(at) {
        value as u32
    } else {
        (value as f32).to_bits()
    }
}

/// The sum of a problem's weights, if it has any.
pub(super) fn total(arena: &Arena, p: usize, slot: Option<Slot>) -> Option<i32> {
    slot.map(|slot| arena.get(p, slot).iter().sum::<f64>() as i32)
}

/// How a problem's region of the arena lies on the device.
#[derive(Clone, Copy)]
pub(super) struct Region<'a> {
    pub known: &'a Known,
    pub stride: usize,
}

/// Reads the device's arena into the host's, but for what the host has computed itself.
pub(super) fn download(
    device: &Wgpu,
    from: &Buffer,
    Region { known, stride }: Region<'_>,
    arena: &mut Arena,
) -> Result<()> {
    let bytes = device.read(from, 0..from.size())?;
    let words: &[u32] = bytemuck::cast_slice(&bytes);
    for (region, words) in arena.problems_mut().zip(words.chunks_exact(stride)) {
        for (at, (value, &word)) in region.iter_mut().zip(words).enumerate() {
            if !known.is_host(at) {
                *value = f64::from(f32::from_bits(word));
            }
        }
    }
    Ok(())
}
