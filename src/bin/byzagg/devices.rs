//! `byzagg devices`: what can run here, and why the others can't.

use byzagg::{Device, Error};

use crate::failure::{Outcome, one_line};
use crate::print;

/// As wide as the longest name, and two spaces.
const INDENT: usize = 8;

pub fn run() -> Outcome {
    let mut text = String::new();
    let mut picked = false;
    for candidate in Device::candidates() {
        let line = match &candidate.device {
            Ok(device) => {
                let mark = if picked { "" } else { " (auto picks it)" };
                picked = true;
                // Its instruction set or adapter, and its threads.
                format!("yes{mark}: {device}")
            }
            Err(Error::Device { reason, .. }) => format!("no: {reason}"),
            Err(error) => format!("no: {error}"),
        };
        text.push_str(&format!("{:<INDENT$}{}\n", candidate.name, one_line(&line)));
        #[cfg(feature = "wgpu")]
        if let Ok(Device::Wgpu(device)) = &candidate.device {
            for line in details(device) {
                text.push_str(&format!("{:INDENT$}{}\n", "", one_line(&line)));
            }
        }
        #[cfg(feature = "cuda")]
        if let Ok(Device::Cuda(device)) = &candidate.device {
            let memory = crate::units::bytes(device.memory()? as u64);
            text.push_str(&format!("{:INDENT$}{memory} of memory\n", ""));
        }
    }
    print(&text)
}

/// The driver, and the limits that decide what fits and how it is split.
#[cfg(feature = "wgpu")]
fn details(device: &byzagg::Wgpu) -> [String; 4] {
    use crate::units::bytes;
    use byzagg::wgpu::DeviceType;

    let (info, limits) = (device.info(), device.limits());
    let kind = match info.device_type {
        DeviceType::DiscreteGpu => "hardware, discrete",
        DeviceType::IntegratedGpu => "hardware, integrated",
        DeviceType::VirtualGpu => "hardware, virtualised",
        DeviceType::Cpu => "software, on the CPU",
        DeviceType::Other => "unknown",
    };
    // Some drivers say nothing about themselves.
    let driver = format!("{} {}", info.driver, info.driver_info);
    let driver = match driver.trim() {
        "" => "unknown",
        driver => driver,
    };
    [
        format!("{kind}; {}; driver: {driver}", info.backend),
        format!(
            "a buffer: at most {}, {} of them bound at once",
            bytes(limits.max_buffer_size),
            bytes(limits.max_storage_buffer_binding_size),
        ),
        format!(
            "a shader: at most {} storage buffers",
            limits.max_storage_buffers_per_shader_stage
        ),
        format!(
            "a workgroup: at most {} invocations and {} of memory",
            limits.max_compute_invocations_per_workgroup,
            bytes(limits.max_compute_workgroup_storage_size.into()),
        ),
    ]
}

#[cfg(all(test, feature = "wgpu"))]
mod tests {
    use crate::units::bytes;

    #[test]
    fn sizes_in_all_units() {
        for (size, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (16 << 10, "16 KiB"),
            (128 << 20, "128 MiB"),
            ((2 << 30) - 1, "1.9 GiB"),
            (100_000_000, "95.3 MiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(bytes(size), text);
        }
    }
}
