//! Devices. A backend knows the three primitives and device memory, and no rule.

#[cfg(feature = "cpu")]
pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod known;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod ranks;
#[cfg(feature = "wgpu")]
pub(crate) mod wgpu;

use std::fmt;

#[cfg(feature = "cuda")]
pub use self::cuda::Cuda;
#[cfg(feature = "wgpu")]
pub use self::wgpu::Wgpu;
use crate::{Error, Result};
#[cfg(feature = "cpu")]
pub use cpu::Cpu;

/// Where rules run.
///
/// ```
/// let device = byzagg::Device::auto()?;
/// println!("running on {device}");
/// # Ok::<(), byzagg::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Device {
    /// The CPU: all threads of a pool.
    #[cfg(feature = "cpu")]
    Cpu(Cpu),
    /// A GPU through Vulkan, Metal or DX12.
    #[cfg(feature = "wgpu")]
    Wgpu(Wgpu),
    /// An NVIDIA GPU and a stream.
    #[cfg(feature = "cuda")]
    Cuda(Cuda),
}

/// A device, and whether it can be used here.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Candidate {
    /// The name that [`Device::named`] takes.
    pub name: String,
    /// The device, or why it can't be used.
    pub device: Result<Device>,
}

impl Device {
    /// The CPU, on rayon's global thread pool.
    #[cfg(feature = "cpu")]
    pub fn cpu() -> Self {
        Device::Cpu(Cpu::new())
    }

    /// The best device that can be used here: a GPU before the CPU, and the CPU before a GPU's software
    /// driver.
    ///
    /// # Errors
    /// [`Error::Device`] with the reason of every candidate when there is none.
    pub fn auto() -> Result<Self> {
        let mut reasons = Vec::new();
        for (_, open) in ways() {
            match open() {
                Ok(device) => return Ok(device),
                Err(error) => reasons.push(error.to_string()),
            }
        }
        Err(refuse("auto", reasons.join("; ")))
    }

    /// The backend's name: `cpu`, `wgpu` or `cuda`.
    pub fn backend(&self) -> &'static str {
        match self {
            #[cfg(feature = "cpu")]
            Device::Cpu(_) => "cpu",
            #[cfg(feature = "wgpu")]
            Device::Wgpu(_) => "wgpu",
            #[cfg(feature = "cuda")]
            Device::Cuda(_) => "cuda",
        }
    }

    /// Does it work in the host's memory?
    pub(crate) fn is_host(&self) -> bool {
        match self {
            #[cfg(feature = "cpu")]
            Device::Cpu(_) => true,
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            _ => false,
        }
    }

    /// A device by name: `auto`, `cpu`, `cuda` for the first GPU, `cuda:1` for another, `wgpu` for the best
    /// adapter, `wgpu:1` for one of [`Device::candidates`].
    ///
    /// # Errors
    /// [`Error::Device`] when the name is unknown or the device can't be used here.
    pub fn named(name: &str) -> Result<Self> {
        let (kind, index) = match name.split_once(':') {
            Some((kind, index)) => (kind, Some(index)),
            None => (name, None),
        };
        match (kind, index) {
            ("auto", None) => Device::auto(),
            #[cfg(feature = "cpu")]
            ("cpu", None) => Ok(Device::cpu()),
            #[cfg(feature = "wgpu")]
            ("wgpu", None) => Wgpu::new().map(Device::Wgpu),
            #[cfg(feature = "wgpu")]
            ("wgpu", Some(index)) => Wgpu::nth(number(name, index)?).map(Device::Wgpu),
            #[cfg(feature = "cuda")]
            ("cuda", index) => Cuda::nth(number(name, index.unwrap_or("0"))?).map(Device::Cuda),
            ("auto" | "cpu", Some(_)) => Err(refuse(
                name,
                format!("there is only one {kind}, without an index"),
            )),
            #[cfg(not(feature = "wgpu"))]
            ("wgpu", _) => Err(missing(kind)),
            #[cfg(not(feature = "cuda"))]
            ("cuda", _) => Err(missing(kind)),
            _ => Err(refuse(
                name,
                "unknown; known are auto, cuda, cuda:0 and so on, wgpu, wgpu:0 and so on, cpu"
                    .into(),
            )),
        }
    }

    /// Every device in the order in which [`Device::auto`] tries them, and why those that can't be used
    /// can't.
    pub fn candidates() -> Vec<Candidate> {
        let candidate = |(name, open): Way| Candidate {
            name,
            device: open(),
        };
        ways().into_iter().map(candidate).collect()
    }
}

/// A device's name, and how to get it.
type Way = (String, Box<dyn Fn() -> Result<Device>>);

/// What to try, the best first.
fn ways() -> Vec<Way> {
    #[cfg(not(feature = "cuda"))]
    let mut ways: Vec<Way> = vec![("cuda".into(), Box::new(|| Err(missing("cuda"))))];
    #[cfg(feature = "cuda")]
    let mut ways = cuda_ways();
    #[cfg(not(feature = "wgpu"))]
    ways.push(("wgpu".into(), Box::new(|| Err(missing("wgpu")))));
    // Software drivers come behind the CPU.
    #[cfg(feature = "wgpu")]
    let software = {
        let adapters = Wgpu::adapters();
        if adapters.is_empty() {
            ways.push(("wgpu".into(), Box::new(|| Wgpu::new().map(Device::Wgpu))));
        }
        let way = |index: usize| -> Way {
            (
                format!("wgpu:{index}"),
                Box::new(move || Wgpu::nth(index).map(Device::Wgpu)),
            )
        };
        let is_software = |index: &usize| adapters[*index].device_type == ::wgpu::DeviceType::Cpu;
        let (software, hardware): (Vec<usize>, Vec<usize>) =
            (0..adapters.len()).partition(is_software);
        ways.extend(hardware.into_iter().map(way));
        software.into_iter().map(way)
    };
    #[cfg(feature = "cpu")]
    ways.push(("cpu".into(), Box::new(|| Ok(Device::cpu()))));
    #[cfg(feature = "wgpu")]
    ways.extend(software);
    ways
}

#[cfg(feature = "cuda")]
fn cuda_ways() -> Vec<Way> {
    match Cuda::count() {
        Err(error) => vec![("cuda".into(), Box::new(move || Err(error.clone())))],
        Ok(count) => (0..count)
            .map(|index| -> Way {
                let open = move || Cuda::nth(index).map(Device::Cuda);
                (format!("cuda:{index}"), Box::new(open))
            })
            .collect(),
    }
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn number(device: &str, text: &str) -> Result<usize> {
    let why = || refuse(device, "expected a number behind the colon".into());
    text.parse().map_err(|_| why())
}

fn refuse(device: &str, reason: String) -> Error {
    Error::Device {
        device: device.into(),
        reason,
    }
}

#[cfg(not(all(feature = "wgpu", feature = "cuda")))]
fn missing(kind: &str) -> Error {
    let reason = format!("this build of byzagg is without the feature `{kind}`");
    refuse(kind, reason)
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "cpu")]
            Device::Cpu(cpu) => {
                let s = if cpu.threads() == 1 { "" } else { "s" };
                write!(
                    f,
                    "cpu ({}, {} thread{s})",
                    cpu.instructions(),
                    cpu.threads()
                )
            }
            #[cfg(feature = "wgpu")]
            Device::Wgpu(device) => device.fmt(f),
            #[cfg(feature = "cuda")]
            Device::Cuda(device) => device.fmt(f),
        }
    }
}
