//! What naga can say of a shader without a device.

use naga::back::{hlsl, msl};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, StorageAccess, TypeInner};

use crate::backend::wgpu::shader::{Bind, Shader};

/// Parses and validates a shader, and compares its bindings with those that it declares to wgpu.
pub fn validate(shader: &Shader) -> (Module, ModuleInfo) {
    let name = &shader.name;
    let module = naga::front::wgsl::parse_str(&shader.source).unwrap_or_else(|error| {
        panic!("{name}: {}", error.emit_to_string(&shader.source));
    });
    // Nothing that a device may lack, except where the backend looks for it.
    let capabilities = match has_longs(shader) {
        true => Capabilities::SHADER_INT64,
        false => Capabilities::empty(),
    };
    let mut validator = Validator::new(ValidationFlags::all(), capabilities);
    let info = validator.validate(&module).unwrap_or_else(|error| {
        panic!("{name}: {}", error.emit_to_string(&shader.source));
    });
    let entries: Vec<&str> = module
        .entry_points
        .iter()
        .map(|entry| &entry.name[..])
        .collect();
    assert!(entries.contains(&shader.entry), "{name}: {entries:?}");
    let mut bindings = vec![None; shader.bindings.len()];
    for (_, variable) in module.global_variables.iter() {
        let Some(binding) = &variable.binding else {
            continue;
        };
        assert_eq!(binding.group, 0, "{name}");
        bindings[binding.binding as usize] = Some(match variable.space {
            AddressSpace::Uniform => Bind::Uniform,
            AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => {
                Bind::ReadWrite
            }
            _ => Bind::Read,
        });
    }
    let declared: Vec<_> = shader.bindings.iter().copied().map(Some).collect();
    assert_eq!(bindings, declared, "{name}");
    (module, info)
}

/// Does it load integers of 64 bits? The backend has it do so on Vulkan alone.
fn has_longs(shader: &Shader) -> bool {
    shader.source.contains("u64")
}

/// Validates a shader, and translates it for Metal and for DX12 if it runs there.
pub fn writes_where_it_runs(shader: &Shader) {
    match has_longs(shader) {
        true => drop(validate(shader)),
        false => writes_msl_and_hlsl(shader),
    }
}

/// Translates a shader for Metal and for DX12.
pub fn writes_msl_and_hlsl(shader: &Shader) {
    let (module, info) = validate(shader);
    let options = msl::Options {
        lang_version: (2, 4),
        ..msl::Options::default()
    };
    let written = msl::write_string(&module, &info, &options, &msl::PipelineOptions::default());
    let (source, translation) = written.unwrap_or_else(|error| panic!("{}: {error}", shader.name));
    assert!(
        translation.entry_point_names.iter().all(Result::is_ok),
        "{}",
        shader.name
    );
    assert!(!source.is_empty());

    let mut source = String::new();
    let (options, pipeline) = (hlsl::Options::default(), hlsl::PipelineOptions::default());
    let written = hlsl::Writer::new(&mut source, &options, &pipeline).write(&module, &info, None);
    let written = written.unwrap_or_else(|error| panic!("{}: {error}", shader.name));
    assert!(
        written.entry_point_names.iter().all(Result::is_ok),
        "{}",
        shader.name
    );
}

/// Compares a struct's size and the offsets of its members with Rust's.
pub fn check_struct(module: &Module, name: &str, size: usize, members: &[(&str, usize)]) {
    let found = module
        .types
        .iter()
        .find(|(_, ty)| ty.name.as_deref() == Some(name));
    let (_, ty) = found.unwrap_or_else(|| panic!("there is no struct {name}"));
    let TypeInner::Struct {
        members: actual,
        span,
    } = &ty.inner
    else {
        panic!("{name} is not a struct");
    };
    let actual: Vec<(&str, usize)> = (actual.iter())
        .map(|member| {
            (
                member.name.as_deref().unwrap_or_default(),
                member.offset as usize,
            )
        })
        .collect();
    assert_eq!(actual, members, "{name}");
    assert_eq!(*span as usize, size, "{name}");
}
